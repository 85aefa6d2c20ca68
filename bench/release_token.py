"""release_token.py AUTHORITY JWKS CLAIMS POLICY: an attestation service of the benchmark's own: its key set, a token with a key to
release to, and the release policy that the token meets, base64url."""
import base64
import json
import sys
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key, kid):
    public = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": kid, "n": text(public.n.to_bytes(256, "big")), "e": text(public.e.to_bytes(3, "big"))}


authority, jwks, token, policy = sys.argv[1:]
signer, holder = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
now = int(time.time())
claims = {"iss": authority, "iat": now, "exp": now + 86400, "bench": True,
          "x-ms-runtime": {"keys": [{**jwk(holder, "holder"), "use": "enc"}]}}
signed = ".".join(text(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "bench", "typ": "JWT"}, claims))
signature = signer.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
rule = {"version": "1.0.0", "anyOf": [{"authority": authority, "allOf": [{"claim": "bench", "equals": "true"}]}]}
with open(jwks, "w") as file:
    json.dump({"keys": [jwk(signer, "bench")]}, file)
with open(token, "w") as file:
    json.dump({"target": signed + "." + text(signature)}, file)
with open(policy, "w") as file:
    json.dump({"kty": "RSA-HSM", "attributes": {"exportable": True}, "release_policy": {"data": text(json.dumps(rule).encode())}}, file)
