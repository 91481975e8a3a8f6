package token

import "errors"

// Code says why a token was refused. Codes do not change: servers and logs rely on them.
type Code string

// The reasons. All but KeysUnavailable mean that the token is refused for good, as HTTP's
// 401 says; KeysUnavailable is the server's failure, as 503 says.
const (
	// Malformed is text that is no JWT: see the limits in the package comment.
	Malformed Code = "malformed"
	// TooLarge is a token of more than MaxSize bytes.
	TooLarge Code = "too-large"
	// Encrypted is a JWE.
	Encrypted Code = "encrypted"
	// UnsupportedHeader is a header that changes how the token must be read, such as crit,
	// or that brings a key along, such as jwk.
	UnsupportedHeader Code = "unsupported-header"
	// WrongAlgorithm is an algorithm that the issuer may not use, or not with that key.
	WrongAlgorithm Code = "wrong-algorithm"
	// UnknownIssuer is an issuer that no configuration has.
	UnknownIssuer Code = "unknown-issuer"
	// UnknownKey is a key that the issuer does not publish.
	UnknownKey Code = "unknown-key"
	// KeysUnavailable means that the issuer's keys are not known and cannot be fetched.
	KeysUnavailable Code = "keys-unavailable"
	// BadSignature is a signature that the issuer's key did not make.
	BadSignature Code = "bad-signature"
	// WrongType is a token for another purpose, such as an ID token.
	WrongType Code = "wrong-type"
	// WrongAudience is a token for another system.
	WrongAudience Code = "wrong-audience"
	// WrongClaim is a token without a required claim, or with another value of it.
	WrongClaim Code = "wrong-claim"
	// Expired is a token whose exp has passed.
	Expired Code = "expired"
	// NotYetValid is a token whose nbf or iat is in the future.
	NotYetValid Code = "not-yet-valid"
	// LifetimeTooLong is a token that is valid for longer than the configuration allows.
	LifetimeTooLong Code = "lifetime-too-long"
)

// Error is a token that was refused. Its text has no part of the token and none of its
// claims, and says what an operator can do.
type Error struct {
	Code Code
	// Issuer is the URL of the configured issuer, empty if the token names no such issuer.
	Issuer string
	detail string
	cause  error
}

// Error returns "token: code: issuer: what happened: what to do".
func (e *Error) Error() string {
	text := "token: " + string(e.Code)
	if e.Issuer != "" {
		text += ": " + e.Issuer
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text + ": " + e.detail
}

// Unwrap returns why keys are unavailable, nil for other codes.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf returns the code of an *Error that err wraps, or "".
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

func refuse(code Code, detail string) *Error { return &Error{Code: code, detail: detail} }
