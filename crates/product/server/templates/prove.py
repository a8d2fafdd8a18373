import base64, hashlib, json

p = json.load(open("proof.json"))
sha = lambda data: hashlib.sha256(data).digest()
unb64 = base64.b64decode

leaf = b"\x01" + sha(unb64(p["salt"]) + p["body"].encode())      # version, salted commitment
node = sha(b"\x00" + leaf)                                         # RFC 6962, section 2.1
assert node == unb64(p["leaf"])

origin, size, root = p["checkpoint"].split("\n")[:3]
at, last = p["index"], int(size) - 1
for other in map(unb64, p["hashes"]):                              # RFC 9162, section 2.1.3.2
    assert last > 0
    if at & 1 or at == last:
        node = sha(b"\x01" + other + node)
        while at and not at & 1:
            at, last = at >> 1, last >> 1
    else:
        node = sha(b"\x01" + node + other)
    at, last = at >> 1, last >> 1
assert last == 0 and node == unb64(root)
print(origin, "entry", p["index"], "of", size)
