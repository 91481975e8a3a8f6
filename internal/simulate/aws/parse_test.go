package aws

import "testing"

// FuzzAuthorization reads whatever is sent in place of a signature.
func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=K/20260304/eu-central-1/sso/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	f.Add("AWS4-HMAC-SHA256 Credential=////,SignedHeaders=,Signature=")
	f.Add("Basic YTpi")
	f.Fuzz(func(t *testing.T, header string) {
		if a, ok := parseAuthorization(header); ok && (a.signature == "" || len(a.headers) == 0) {
			t.Errorf("%q is taken for a signature", header)
		}
	})
}

// FuzzDecode reads whatever is sent in place of a request.
func FuzzDecode(f *testing.F) {
	s, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"IdentityStoreId":"d-9067f0a1b2","DisplayName":"x"}`))
	f.Add([]byte(`{"IdentityStoreId":null}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		for _, h := range s.handlers {
			_, _ = h.do(body)
		}
	})
}
