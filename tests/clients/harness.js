// What the clients' tests share: recorded evidence, credentials, JOSE by a library that is not ours.
"use strict";
const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const identity = require("@azure/identity");
const attestation = require("@azure/attestation");
const jose = require("jose");

const env = process.env;
const VERSION = "api-version=2020-10-01";
const options = { authorityHost: env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true };
const once = { retryOptions: { maxRetries: 0 } };

function vector(name) {
    const file = path.join(env.CELLA_VECTORS, name);
    return fs.existsSync(file) ? fs.readFileSync(file) : undefined;
}
// A test on recorded evidence: skipped, with the name, where that is absent.
function recorded(name, needs, body) {
    const missing = needs.filter((n) => !vector(n));
    test(name, { skip: missing.length ? "no " + missing[0] : false }, body);
}
const secret = () => new identity.ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, env.AZURE_CLIENT_SECRET, options);
const client = (url, more) => new attestation.AttestationClient(url, { ...once, ...more });
const admin = (url, more) => new attestation.AttestationAdministrationClient(url, secret(), { ...once, ...more });
const sha256 = (data) => crypto.createHash("sha256").update(data).digest();
const b64u = (data) => Buffer.from(data).toString("base64url");
const pem = (label, base64) => `-----BEGIN ${label}-----\n${base64.match(/.{1,64}/g).join("\n")}\n-----END ${label}-----\n`;

// The key set as jose fetches it; a token as jose verifies it, with nothing but the discovery document to start from.
async function discover(url) {
    const response = await fetch(url + "/.well-known/openid-configuration");
    assert.equal(response.status, 200);
    return response.json();
}
async function verify(url, token, checks = {}) {
    const metadata = await discover(url);
    const keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri));
    const algorithms = metadata.id_token_signing_alg_values_supported;
    return jose.jwtVerify(token, keys, { issuer: metadata.issuer, algorithms, ...checks });
}
async function bearer(scope = "https://attest.azure.net/.default") {
    return (await secret().getToken(scope)).token;
}
async function post(url, type, body, headers = {}) {
    const response = await fetch(`${url}/attest/${type}?${VERSION}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json(), headers: response.headers };
}
// That a call of an SDK fails with the service's own status, code and words.
async function refused(promise, statusCode, code, words = /./) {
    await assert.rejects(promise, (error) => {
        assert.equal(error.name, "RestError", String(error));
        assert.equal(error.statusCode, statusCode, String(error));
        assert.equal(error.code, code, String(error));
        assert.match(error.message, words);
        return true;
    });
}

module.exports = {
    assert, crypto, env, test, identity, attestation, jose, VERSION, options, once, vector, recorded, secret, client, admin, sha256,
    b64u, pem, discover, verify, bearer, post, refused,
};
