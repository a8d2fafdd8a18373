# Nobody creates or publishes an app who did not come by single sign-on: no account of this server alone, and not the
# local credential. Copy it into the data folder's `policies/` once single sign-on is on, and start the server again.
#
# In an emergency `bailiwick approve … --break-glass` still works on the server's machine, and is shown as an EXCEPTION.
package bailiwick

import rego.v1

publishing := {"app.deploy", "release.rollback"}

deciding := {"release.approve", "app.restore"}

by_hand := {"person", "machine"}

deny contains refusal if {
	input.act in publishing
	input.caller.kind in by_hand
	not input.caller.single_sign_on
	refusal := sign_on
}

deny contains refusal if {
	input.act in deciding
	input.caller.kind == "person"
	not input.caller.single_sign_on
	refusal := sign_on
}

sign_on := {
	"code": "policy.single_sign_on",
	"why": "only people who came by single sign-on create and publish apps here",
	"fix": "sign out, and sign in again at your organisation's provider; for a terminal, `bailiwick login` from there",
}
