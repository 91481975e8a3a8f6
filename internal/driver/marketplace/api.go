package marketplace

import (
	"github.com/rollcall-iam/rollcall/internal/driver"
	"github.com/rollcall-iam/rollcall/internal/driver/azure"
)

// api is the directory: nothing here is anywhere else.
type api struct{ *azure.Directory }

// connect reads the credentials and makes no call.
func connect(config driver.Config) (api, error) {
	directory, _, err := azure.Connect(config, config.Connection)
	return api{directory}, err
}
