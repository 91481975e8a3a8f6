package access

// Codes are all that remarks can have, in order of their names.
func Codes() []Code {
	return []Code{
		AccountCollision, CleanupOff, Contested, ForeignPermissionKept, ForeignPermissionRemoved, ForbiddenByConnection, InvitationPending,
		ObjectForeign, OwnershipUnclear, PlatformDenied, PlatformPending, PlatformRefused, RemovalHeld, RemovalsForbidden, RenameWaiting,
		RoleUnmapped, TenantNotFound, ForeignMemberRemoved, UserAmbiguous, UserCreationDeprecated, UserDisabled, UserNotFound,
		UserRevoked, UserWithoutEUID,
	}
}

// Personal reports whether remarks of this code are about a person: their Object
// is the person's name.
func (c Code) Personal() bool {
	switch c {
	case UserNotFound, UserWithoutEUID, UserAmbiguous, UserDisabled, InvitationPending, AccountCollision, UserRevoked:
		return true
	default:
		return false
	}
}

// IsEvent reports whether warnings of this code are about something that a run did: no later
// observation finds it. Warnings of the other codes are about a state that lasts until a run
// finds it changed.
func (c Code) IsEvent() bool { return c == ForeignPermissionRemoved || c == ForeignMemberRemoved }
