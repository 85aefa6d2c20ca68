// Keys that live in an HSM, by @azure/keyvault-keys, unmodified: hsm: true means so, and says so; signatures looked at by Node's own
// cryptography.
"use strict";
const { KeyClient, CryptographyClient } = require("@azure/keyvault-keys");
const { assert, crypto, env, test, once, secret, refused } = require("./harness.js");

const options = { ...once, disableChallengeResourceVerification: true };
const keys = new KeyClient(env.KEYVAULT_URI, secret(), options);
const managed = new KeyClient(env.AZURE_MANAGEDHSM_URI, secret(), options);
const using = (key) => new CryptographyClient(key.id, secret(), options);
const publicKey = ({ key: { kty, n, e, crv, x, y } }) => {
    const b64 = (b) => (b ? Buffer.from(b).toString("base64url") : undefined);
    return crypto.createPublicKey({ key: { kty: kty.replace("-HSM", ""), n: b64(n), e: b64(e), crv, x: b64(x), y: b64(y) }, format: "jwk" });
};
const data = Buffer.from("in the HSM");
const resident = /^pkcs11:manufacturer=SoftHSM_project;model=/;

test("RSA: made with hsm: true, signed, unwrapped, rotated, gone", async () => {
    const made = await keys.createRsaKey("hsm-rsa", { hsm: true });
    assert.equal(made.keyType, "RSA-HSM");
    assert.match(made.properties.hsmPlatform, resident);
    const { result } = await using(made).signData("RS256", data);
    assert.ok(crypto.verify("sha256", data, publicKey(made), result));
    const pss = await using(made).signData("PS384", data);
    const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
    assert.ok(crypto.verify("sha384", data, { key: publicKey(made), padding, saltLength: 48 }, pss.result));
    const cipher = crypto.publicEncrypt({ key: publicKey(made), oaepHash: "sha256", padding: crypto.constants.RSA_PKCS1_OAEP_PADDING }, data);
    assert.deepEqual(Buffer.from((await using(made).unwrapKey("RSA-OAEP-256", cipher)).result), data);
    const rotated = await keys.rotateKey("hsm-rsa");
    assert.match(rotated.properties.hsmPlatform, resident);
    assert.notDeepEqual(rotated.key.n, made.key.n);
    await refused(keys.backupKey("hsm-rsa"), 403, "Forbidden");
    await refused(keys.createRsaKey("hsm-out", { hsm: true, exportable: true, releasePolicy: { encodedPolicy: Buffer.from(JSON.stringify({
        version: "1.0.0", anyOf: [{ authority: env.ATTESTATION_AAD_URL, allOf: [{ claim: "a", equals: "b" }] }] })) } }), 400, "BadParameter");
    await (await keys.beginDeleteKey("hsm-rsa", { intervalInMs: 50 })).pollUntilDone();
    await keys.purgeDeletedKey("hsm-rsa");
    await refused(using(made).signData("RS256", data), 404, "KeyNotFound");
});

test("EC: made with hsm: true; keys that are not are software's", async () => {
    const made = await keys.createEcKey("hsm-ec", { hsm: true, curve: "P-384" });
    assert.equal(made.keyType, "EC-HSM");
    const { result } = await using(made).signData("ES384", data);
    assert.ok(crypto.verify("sha384", data, { key: publicKey(made), dsaEncoding: "ieee-p1363" }, result));
    assert.equal((await keys.createEcKey("soft-ec")).properties.hsmPlatform, "0");
});

test("a Managed HSM: symmetric keys in the token", async () => {
    const made = await managed.createOctKey("hsm-oct", { keySize: 256, hsm: true });
    assert.match(made.properties.hsmPlatform, resident);
    const plaintext = Buffer.from("0123456789abcdef");
    const gcm = await using(made).encrypt({ algorithm: "A256GCM", plaintext });
    const opened = await using(made).decrypt({ algorithm: "A256GCM", ciphertext: gcm.result, iv: gcm.iv, authenticationTag: gcm.authenticationTag });
    assert.deepEqual(Buffer.from(opened.result), plaintext);
    const wrapped = await using(made).wrapKey("A256KW", Buffer.alloc(32, 1));
    assert.deepEqual(Buffer.from((await using(made).unwrapKey("A256KW", wrapped.result)).result), Buffer.alloc(32, 1));
});
