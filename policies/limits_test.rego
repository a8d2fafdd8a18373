# What the shipped limits refuse, and what they let pass.
package bailiwick_test

import data.bailiwick
import rego.v1

codes(input_) := {refusal.code | some refusal in bailiwick.deny with input as input_}

deploy(manifest) := {"act": "app.deploy", "facts": {"manifest": manifest}}

kept(class, days) := deploy({"data": {"votes": {
	"retain": {"secs": days * 86400, "nanos": 0},
	"fields": {"person": {"class": class}},
}}})

test_personal_data_for_a_year if codes(kept("personal", 365)) == set()

test_personal_data_for_longer if codes(kept("personal", 366)) == {"policy.retention"}

test_restricted_data_for_longer if codes(kept("restricted", 3650)) == {"policy.retention"}

test_internal_data_for_longer if codes(kept("internal", 3650)) == set()

calls(secret, path) := deploy({"connect": {"slack": object.union(
	{"host": "slack.com", "paths": [path]},
	secret,
)}})

test_a_secret_for_a_path if codes(calls({"secret": "TOKEN"}, "/api/chat.postMessage")) == set()

test_a_secret_for_a_whole_host if codes(calls({"secret": "TOKEN"}, "/**")) == {"policy.broad_secret"}

test_a_whole_host_without_a_secret if codes(calls({}, "/**")) == set()

test_other_acts_are_not_judged if codes({"act": "app.use", "facts": null}) == set()
