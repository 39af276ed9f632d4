// Package authz decides who may use which user server, and how long such a
// decision may be used. It is the policy of share-proxy: no HTTP, no logging,
// no third-party code; whoever talks to the outside plugs in.
//
// The model in one page:
//
//   - The Hub is the only authority. It is asked once per credential what the
//     credential may do ([Asker]); what it says is an [Answer]. An Answer is
//     about a credential, not about a server: one Answer serves all servers.
//   - A [Decision] is computed from an Answer for one [Server] by [Decide]: a
//     pure function, the same rule that the user server itself applies
//     (jupyterhub/services/auth.py, check_scopes). The zero Decision denies.
//   - An error means that there is no decision. It is never "no": whoever gets
//     one neither passes anything nor forgets what was known.
//   - An Answer ages ([Rule]). It may be used while it is younger than the
//     time for its relation (T) and the ledger's lease is younger than the
//     bound (Δ), or simply while it is younger than Δ.
//   - An entry of the ledger that touches a [Subject] makes every Answer that
//     concerns this subject and was asked for earlier unusable at once, also
//     for those who wait for the same question ([Authorizer.Touch]).
//   - Replicas leave the Hub's answers for each other ([Shared]). Such an
//     answer saves a question where only the age of one is at issue. A doubt
//     is answered by the Hub.
//
// What this package does not do: it never reads a request, it does not know
// where a credential came from, and it does not enforce. Enforcement is
// package proxy's, with the gates of package live.
package authz
