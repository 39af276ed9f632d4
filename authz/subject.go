package authz

// SubjectKind says what a ledger entry is about.
type SubjectKind uint8

// The kinds of subjects. Each names the decisions that are doubtful after a
// change; nothing else is disturbed.
const (
	// AboutNobody, the zero kind, concerns nobody.
	AboutNobody SubjectKind = iota
	// AboutUser concerns every credential of one user.
	AboutUser
	// AboutService concerns every credential of one Hub service.
	AboutService
	// AboutSession concerns every credential of one session at the Hub.
	AboutSession
	// AboutGroup concerns everybody whose last answer names the group.
	AboutGroup
	// AboutOwner concerns everybody on any server of one owner.
	AboutOwner
	// AboutServer concerns everybody on one server.
	AboutServer
	// AboutGuests concerns everybody on one server but the owner's own
	// session, which no share can give or take.
	AboutGuests
	// AboutDenied concerns all who were denied anywhere: something was
	// granted, and it cannot be seen to whom.
	AboutDenied
	// AboutEveryGuest concerns everybody on any server but owners with their
	// own session: what was changed is not known, because entries are missing.
	AboutEveryGuest
	// AboutEveryone concerns every answer there is: entries are missing, and
	// what they were about is not known.
	AboutEveryone
)

// Subject is what a ledger entry is about. It is comparable; the fields that
// its kind does not use are empty, so that equal subjects coalesce.
type Subject struct {
	Kind   SubjectKind
	Name   string     // user, service, session, group, or the owner of the server
	Server ServerName // of AboutServer and AboutGuests
}

// Subjects calls yield for every subject that d depends on, until it returns
// false: after a change of one of them the Hub has to be asked anew.
func (d *Decision) Subjects(yield func(Subject) bool) {
	owner, name := string(d.Server.Owner), d.Server.Name
	if !d.Server.IsZero() {
		if !yield(Subject{Kind: AboutServer, Name: owner, Server: name}) ||
			!yield(Subject{Kind: AboutOwner, Name: owner}) ||
			!d.Interactive && !d.guests(yield) {
			return
		}
	}
	if !d.Allow && !yield(Subject{Kind: AboutDenied}) || d.Answer == nil {
		return
	}
	d.Answer.subjects(yield)
}

// guests calls yield for the guests among whom d counts.
func (d *Decision) guests(yield func(Subject) bool) bool {
	return yield(Subject{Kind: AboutGuests, Name: string(d.Server.Owner), Server: d.Server.Name}) &&
		yield(Subject{Kind: AboutEveryGuest})
}

// subjects calls yield for whom the answer is about.
func (a *Answer) subjects(yield func(Subject) bool) {
	switch a.Kind {
	case KindNobody:
		return
	case KindService:
		if !yield(Subject{Kind: AboutService, Name: string(a.Name)}) {
			return
		}
	case KindUser:
		if !yield(Subject{Kind: AboutUser, Name: string(a.Name)}) {
			return
		}
	}
	if a.Session != "" && !yield(Subject{Kind: AboutSession, Name: a.Session}) {
		return
	}
	for _, group := range a.Groups {
		if !yield(Subject{Kind: AboutGroup, Name: group}) {
			return
		}
	}
}

// String returns the subject as it stands in logs.
func (s Subject) String() string {
	switch s.Kind {
	case AboutNobody:
		return "nobody"
	case AboutUser:
		return "user " + s.Name
	case AboutService:
		return "service " + s.Name
	case AboutSession:
		return "a session" // its id is half of a credential
	case AboutGroup:
		return "group " + s.Name
	case AboutOwner:
		return "servers of " + s.Name
	case AboutServer:
		return "server " + s.Name + "/" + string(s.Server)
	case AboutGuests:
		return "guests of " + s.Name + "/" + string(s.Server)
	case AboutDenied:
		return "denied"
	case AboutEveryGuest:
		return "every guest"
	case AboutEveryone:
		return "everyone"
	}
	return "unknown"
}
