# What no app may ask for, whoever deploys it. Policy only narrows: it can refuse what the table of acts allows.
#
# Input: act, caller {kind, person, groups, roles, second_factor, single_sign_on, app}, target {tenant, app, env,
# resource, name, team, class}, facts (of the act: deploy, approve and roll back have the manifest of what would go live;
# restore has a list `releases` of such), today.
package bailiwick

import rego.v1

day := 86400

# Whatever would bring it to life.
asked contains input.facts.manifest

asked contains release.manifest if some release in input.facts.releases

# Records about people are kept a year at most.
deny contains refusal if {
	some manifest in asked
	some name, collection in manifest.data
	some field in collection.fields
	field.class in {"personal", "confidential", "restricted"}
	collection.retain.secs > 365 * day
	refusal := {
		"code": "policy.retention",
		"why": sprintf("`[data.%s]` would keep personal data for more than a year", [name]),
		"fix": sprintf("set `retain` of `[data.%s]` to `365d` or less", [name]),
	}
}

# A wildcard over a whole host is more than any app needs together with a secret.
deny contains refusal if {
	some manifest in asked
	some name, connect in manifest.connect
	connect.secret
	some path in connect.paths
	path == "/**"
	refusal := {
		"code": "policy.broad_secret",
		"why": sprintf("`[connect.%s]` would send `%s` to every path of `%s`", [name, connect.secret, connect.host]),
		"fix": sprintf("name the paths that the app calls in `[connect.%s]`", [name]),
	}
}
