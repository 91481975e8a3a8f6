package engine_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/rollcall-iam/rollcall/internal/engine"
)

// addKey puts a new random key into a key ring's directory.
func addKey(t testing.TB, dir, name string) {
	t.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	if err := os.WriteFile(filepath.Join(dir, name), []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func openKeyring(t testing.TB, dir string) *engine.Keyring {
	t.Helper()
	keys, err := engine.OpenKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// at returns the codec as the SDK uses it inside one workflow.
func at(c converter.PayloadCodec, namespace, workflow string) converter.PayloadCodec {
	return c.(converter.PayloadCodecWithSerializationContext).WithSerializationContext(
		converter.WorkflowSerializationContext{Namespace: namespace, WorkflowID: workflow})
}

func secret() *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`"jane.doe@example.com"`)}
}

func encode(t testing.TB, c converter.PayloadCodec, p *commonpb.Payload) *commonpb.Payload {
	t.Helper()
	sealed, err := c.Encode([]*commonpb.Payload{p})
	if err != nil {
		t.Fatal(err)
	}
	return sealed[0]
}

func decode(c converter.PayloadCodec, p *commonpb.Payload) (*commonpb.Payload, error) {
	opened, err := c.Decode([]*commonpb.Payload{p})
	if err != nil {
		return nil, err
	}
	return opened[0], nil
}

func TestCodecHidesAndGivesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addKey(t, dir, "k1")
	c := engine.NewCodec(openKeyring(t, dir), "default", false)
	rapid.Check(t, func(rt *rapid.T) {
		workflow := rapid.String().Draw(rt, "workflow")
		p := &commonpb.Payload{Data: rapid.SliceOfN(rapid.Byte(), 16, 200).Draw(rt, "data")}
		sealed := encode(t, at(c, "default", workflow), p)
		if bytes.Contains(sealed.GetData(), p.GetData()) {
			rt.Fatal("the encrypted payload holds the plain one")
		}
		for name, reader := range map[string]converter.PayloadCodec{"the workflow": at(c, "default", workflow), "a codec server": c} {
			got, err := decode(reader, sealed)
			if err != nil || !proto.Equal(p, got) {
				rt.Fatalf("%s reads %v, %v; want what was written", name, got, err)
			}
		}
	})
}

func TestCodecRefusesWhatDoesNotBelong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addKey(t, dir, "k1")
	c := engine.NewCodec(openKeyring(t, dir), "default", false)
	here := at(c, "default", "tenant/a.b/c")
	cases := map[string]struct {
		reason string
		spoil  func(*commonpb.Payload)
		reader converter.PayloadCodec
	}{
		"other workflow":  {"a payload of another workflow is refused", nil, at(c, "default", "tenant/x.y/z")},
		"other namespace": {"and one of another namespace", nil, at(c, "prod", "tenant/a.b/c")},
		"relabelled": {
			"a new label does not make it another workflow's",
			func(p *commonpb.Payload) { p.Metadata["rollcall-workflow"] = []byte("tenant/x.y/z") }, at(c, "default", "tenant/x.y/z"),
		},
		"changed data": {"a changed byte is noticed", func(p *commonpb.Payload) { p.Data[20] ^= 1 }, here},
		"cut":          {"so is a cut", func(p *commonpb.Payload) { p.Data = p.GetData()[:5] }, here},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sealed := encode(t, here, secret())
			if tc.spoil != nil {
				tc.spoil(sealed)
			}
			_, err := decode(tc.reader, sealed)
			if !errors.Is(err, engine.ErrPayload) {
				t.Errorf("%s: got the error %v", tc.reason, err)
			}
			if err != nil && strings.Contains(err.Error(), "jane") {
				t.Errorf("the error shows the payload: %v", err)
			}
		})
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addKey(t, dir, "2026-10")
	old := openKeyring(t, dir)
	before := encode(t, engine.NewCodec(old, "default", false), secret())

	addKey(t, dir, "2026-11")
	renewed := engine.NewCodec(openKeyring(t, dir), "default", false)
	after := encode(t, renewed, secret())
	if id := string(after.GetMetadata()["rollcall-key"]); id != "2026-11" {
		t.Errorf("encrypted with key %q, want the newest, 2026-11", id)
	}
	if _, err := decode(renewed, before); err != nil {
		t.Errorf("what the old key encrypted is lost: %v", err)
	}
	if _, err := decode(engine.NewCodec(old, "default", false), after); err != nil {
		t.Errorf("a worker that does not know the new key yet does not look for it: %v", err)
	}

	if err := os.Remove(filepath.Join(dir, "2026-10")); err != nil {
		t.Fatal(err)
	}
	_, err := decode(engine.NewCodec(openKeyring(t, dir), "default", false), before)
	if !errors.Is(err, engine.ErrKeyring) || !strings.Contains(err.Error(), "2026-10") {
		t.Errorf("without its key: %v, want an error that names the key", err)
	}
}

func TestCodec_RefusesPlaintext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addKey(t, dir, "k1")
	keys := openKeyring(t, dir)
	sealed := encode(t, engine.NewCodec(keys, "default", false), secret())
	for _, tc := range []struct {
		reason    string
		plaintext bool
		payload   *commonpb.Payload
		want      bool
	}{
		{"a client without the keys wrote it", false, secret(), false},
		{"a payload that says nothing of itself", false, &commonpb.Payload{Data: []byte("jane")}, false},
		{"an encrypted one", false, sealed, true},
		{"runs that began without a key ring go on", true, secret(), true},
		{"beside encrypted ones", true, sealed, true},
	} {
		got, err := decode(at(engine.NewCodec(keys, "default", tc.plaintext), "default", "tenant/a.b/c"), tc.payload)
		switch {
		case tc.want && (err != nil || !proto.Equal(secret(), got)):
			t.Errorf("%s: %v, %v", tc.reason, got, err)
		case !tc.want && (!errors.Is(err, engine.ErrPlaintext) || !strings.Contains(err.Error(), `workflow "tenant/a.b/c"`) ||
			!strings.Contains(err.Error(), engine.KeyringVariable) || strings.Contains(err.Error(), "jane")):
			t.Errorf("%s: %v, want an error that names the workflow and the remedy, and not the payload", tc.reason, err)
		}
	}
}

func TestEncrypt_ReadsItsVariables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addKey(t, dir, "k1")
	plain, err := converter.GetDefaultDataConverter().ToPayloads("jane")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		reason, keyring, plaintext string
		reads, fails               bool
	}{
		{"without a key ring nothing is encrypted", "", "", true, false},
		{"with one, plaintext is refused", dir, "", false, false},
		{"unless it is introduced", dir, "accept", true, false},
		{"a value that means nothing", dir, "true", false, true},
		{"also without a key ring", "", "no", false, true},
	} {
		options, err := engine.Encrypt(client.Options{}, func(name string) string {
			return map[string]string{engine.KeyringVariable: tc.keyring, engine.PlaintextVariable: tc.plaintext}[name]
		})
		if (err != nil) != tc.fails {
			t.Errorf("%s: %v", tc.reason, err)
		}
		if err != nil {
			continue
		}
		if options.DataConverter == nil {
			options.DataConverter = converter.GetDefaultDataConverter()
		}
		var text string
		if err := options.DataConverter.FromPayloads(plain, &text); (err == nil) != tc.reads || err != nil && !errors.Is(err, engine.ErrPlaintext) {
			t.Errorf("%s: %v", tc.reason, err)
		}
	}
}

func TestBadKeyringsAreRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		content map[string]string
		says    string
	}{
		"empty":     {"a directory without keys", nil, "no key"},
		"short":     {"a key that is too short", map[string]string{"k1": "c2hvcnQ="}, "k1"},
		"no base64": {"a key that is no base64", map[string]string{"k1": "?"}, "k1"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range tc.content {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := engine.OpenKeyring(dir)
			if !errors.Is(err, engine.ErrKeyring) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: got the error %v", tc.reason, err)
			}
			if err != nil && strings.Contains(err.Error(), "c2hvcnQ") {
				t.Errorf("the error shows a key: %v", err)
			}
		})
	}
	if _, err := engine.OpenKeyring(filepath.Join(t.TempDir(), "none")); !errors.Is(err, engine.ErrKeyring) {
		t.Errorf("a directory that is not there: got the error %v", err)
	}
}

func BenchmarkCodec(b *testing.B) {
	dir := b.TempDir()
	addKey(b, dir, "k1")
	c := at(engine.NewCodec(openKeyring(b, dir), "default", false), "default", "tenant/a.b/c")
	p := &commonpb.Payload{Data: bytes.Repeat([]byte("x"), 4096)}
	b.SetBytes(4096)
	for b.Loop() {
		if _, err := decode(c, encode(b, c, p)); err != nil {
			b.Fatal(err)
		}
	}
}
