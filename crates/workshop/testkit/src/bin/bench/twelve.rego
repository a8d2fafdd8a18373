# A bundle as an organisation writes one: twelve things that no app of its may ask for. For measuring alone.
package bailiwick

import rego.v1

day := 86400

refusal(code, why) := {"code": code, "why": why, "fix": "ask the platform team"}

manifest := input.facts.manifest

deploys if input.act == "app.deploy"

deny contains refusal("org.retention", sprintf("`%s` is kept for more than a year", [name])) if {
	deploys
	some name, collection in manifest.data
	collection.retain.secs > 365 * day
}

deny contains refusal("org.class", "restricted data stays elsewhere") if {
	deploys
	manifest.app.class == "restricted"
}

deny contains refusal("org.host", sprintf("`%s` is not a host of ours", [connect.host])) if {
	deploys
	some connect in manifest.connect
	endswith(connect.host, ".example.invalid")
}

deny contains refusal("org.method", sprintf("`%s` may not be deleted from", [connect.host])) if {
	deploys
	some connect in manifest.connect
	some method in connect.methods
	method == "DELETE"
}

deny contains refusal("org.path", sprintf("every path of `%s` is too much", [connect.host])) if {
	deploys
	some connect in manifest.connect
	connect.secret
	some path in connect.paths
	path == "/**"
}

deny contains refusal("org.why", sprintf("`%s` is asked for without a reason", [connect.host])) if {
	deploys
	some connect in manifest.connect
	count(connect.why) < 8
}

deny contains refusal("org.public", "personal data and public paths do not go together") if {
	deploys
	manifest.app.class in {"personal", "confidential"}
	count(manifest.access.public) > 0
}

deny contains refusal("org.team", "builders deploy for their own team") if {
	deploys
	input.caller.kind == "person"
	not manifest.app.team in input.caller.groups
}

deny contains refusal("org.purpose", "say what it is for") if {
	deploys
	count(manifest.app.purpose) < 10
}

deny contains refusal("org.name", "names of tests do not go to production") if {
	deploys
	input.target.env == "prod"
	startswith(manifest.app.name, "test-")
}

deny contains refusal("org.secret", sprintf("`%s` belongs to another team", [secret.id])) if {
	deploys
	some secret in manifest.secrets
	not startswith(secret.id, sprintf("%s/", [manifest.app.team]))
}

deny contains refusal("org.browser", "pages may not reach other hosts") if {
	deploys
	count(manifest.browser.hosts) > 3
}
