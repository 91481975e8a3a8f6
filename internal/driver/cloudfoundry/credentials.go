package cloudfoundry

import (
	"fmt"
	"net/url"

	"github.com/rollcall-iam/rollcall/internal/credential"
	"github.com/rollcall-iam/rollcall/internal/fault"
)

// grant is what to ask UAA for a token with.
type grant struct {
	client, secret string
	form           url.Values
}

// credentials reads what to sign in with: CLIENT_ID and CLIENT_SECRET of a
// client, or USERNAME and PASSWORD of a user, who signs in through the client of
// the command line.
func credentials(from *credential.Source) (grant, error) {
	if from.WorkloadIdentity() {
		return grant{}, fmt.Errorf("%w: UAA takes no workload identity: use environment or file", fault.ErrUnsupported)
	}
	values, err := from.Values()
	if err != nil {
		return grant{}, err
	}
	if values.Get("CLIENT_ID") == "" && values.Get("USERNAME") != "" {
		user, err := values.Need("USERNAME", "PASSWORD")
		if err != nil {
			return grant{}, err
		}
		return grant{client: "cf", form: url.Values{
			"grant_type": {"password"}, "username": {user[0]}, "password": {user[1]},
		}}, nil
	}
	client, err := values.Need("CLIENT_ID", "CLIENT_SECRET")
	if err != nil {
		return grant{}, err
	}
	return grant{client: client[0], secret: client[1], form: url.Values{"grant_type": {"client_credentials"}}}, nil
}
