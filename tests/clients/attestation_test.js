// @azure/attestation's AttestationClient, every call and option, with recorded evidence; its tokens by jose too.
"use strict";
const { assert, env, test, attestation, jose, vector, recorded, secret, client, sha256, discover, verify, post, refused,
    b64u } = require("./harness.js");

const REPORT = "maa-jwt/evidence-928c12bc/oe_report.bin";
const HOLDER = "maa-jwt/AttestWithRuntimeData-SgxEnclave_Isolated-ef7d31b1/token.jwt";
const report = vector(REPORT), quote = report?.subarray(16);
const holder = vector(HOLDER) && jose.decodeJwt(vector(HOLDER).toString().trim());
const held = holder && Buffer.from(holder["x-ms-sgx-ehd"], "base64url"); // whose SHA-256 the quote's report data begin with
const needs = [REPORT, HOLDER];
const draft = `version=1.0; authorizationrules { [type=="x-ms-sgx-is-debuggable"] => permit(); };
issuancerules { c:[type=="x-ms-sgx-mrsigner"] => issue(type="custom-name", value=c.value); };`;

test("getOpenIdMetadata", async () => {
    const metadata = await client(env.ATTESTATION_AAD_URL).getOpenIdMetadata();
    assert.equal(metadata.issuer, env.ATTESTATION_AAD_URL);
    assert.equal(metadata.jwks_uri, env.ATTESTATION_AAD_URL + "/certs");
    assert.deepEqual(metadata.id_token_signing_alg_values_supported, ["RS256"]);
    assert.deepEqual(metadata, await discover(env.ATTESTATION_AAD_URL));
});

test("getAttestationSigners", async () => {
    for (const url of [env.ATTESTATION_AAD_URL, env.ATTESTATION_ISOLATED_URL, env.ATTESTATION_SHARED_URL, env.SGX_SIGNED_URL]) {
        const signers = await client(url).getAttestationSigners();
        assert.ok(signers.length >= 1);
        for (const signer of signers) {
            assert.ok(signer.keyId);
            assert.match(signer.certificates[0], /^-----BEGIN CERTIFICATE-----/);
        }
        const keys = await (await fetch(url + "/certs")).json();
        assert.deepEqual(keys.keys.map((k) => k.kid), signers.map((s) => s.keyId));
        jose.createLocalJWKSet(keys);
    }
});

async function attest(call, url, evidence, options, more) {
    const asks = client(url, more);
    const answer = await asks[call](evidence, options);
    assert.deepEqual(answer.token.getTokenProblems(await asks.getAttestationSigners()), []);
    const { payload, protectedHeader } = await verify(url, answer.token.serialize());
    assert.equal(protectedHeader.kid, answer.token.keyId);
    assert.equal(payload.jti, answer.body.uniqueId);
    return { ...answer, payload };
}
function isOurEnclave({ body, payload }) {
    assert.equal(body.verifierType, "sgx");
    assert.equal(body.version, "1.0");
    for (const [name, claim] of [["mrEnclave", "x-ms-sgx-mrenclave"], ["mrSigner", "x-ms-sgx-mrsigner"],
        ["productId", "x-ms-sgx-product-id"], ["svn", "x-ms-sgx-svn"], ["isDebuggable", "x-ms-sgx-is-debuggable"]]) {
        assert.equal(body[name], holder[claim], name);
        assert.equal(payload[claim], holder[claim], claim);
    }
    assert.equal(body.policyHash.length, 32);
    assert.equal(b64u(body.policyHash), payload["x-ms-policy-hash"]);
    assert.equal(body.sgxCollateral.quotehash.length, 64);
    assert.equal(body.sgxCollateral.tcbinfohash, payload["x-ms-sgx-collateral"].tcbinfohash);
}

for (const [call, of] of [["attestSgxEnclave", () => quote], ["attestOpenEnclave", () => report]]) {
    recorded(call, needs, async () => {
        const answer = await attest(call, env.SGX_URL, of());
        isOurEnclave(answer);
        assert.equal(answer.body.issuer, env.SGX_URL);
        assert.equal(answer.body.enclaveHeldData, undefined);
        assert.equal(answer.body.runTimeClaims, undefined);
        assert.equal(answer.body.policySigner, undefined);
        assert.equal(answer.body.sgxCollateral.quotehash, sha256(of()).toString("hex"));
    });
    recorded(call + ": runTimeData", needs, async () => {
        const answer = await attest(call, env.SGX_URL, of(), { runTimeData: held });
        isOurEnclave(answer);
        assert.deepEqual(Buffer.from(answer.body.enclaveHeldData), held);
        assert.equal(answer.body.runTimeClaims, undefined);
    });
    recorded(call + ": runTimeJson", needs, async () => {
        const answer = await attest(call, env.SGX_URL, of(), { runTimeJson: held });
        isOurEnclave(answer);
        assert.equal(answer.body.enclaveHeldData, undefined);
        assert.deepEqual(answer.body.runTimeClaims, JSON.parse(held.toString().replace(/\0+$/, "")));
    });
    recorded(call + ": runtime data that it does not bind", needs, async () => {
        for (const options of [{ runTimeData: Buffer.from("other") }, { runTimeJson: Buffer.from('{"a":1}') }])
            await refused(client(env.SGX_URL)[call](of(), options), 400, "InvalidParameter", /runtimeData|report data/i);
    });
    recorded(call + ": init time data", needs, async () => { // the quote's CONFIGID is zero: it binds none
        for (const options of [{ initTimeData: Buffer.from("x") }, { initTimeJson: Buffer.from('{"a":1}') }])
            await refused(client(env.SGX_URL)[call](of(), options), 400, "InvalidParameter", /initTimeData|config/i);
    });
    recorded(call + ": draftPolicyForAttestation", needs, async () => {
        const answer = await client(env.SGX_URL)[call](of(), { draftPolicyForAttestation: draft });
        assert.equal(answer.token.algorithm, "none");
        assert.equal(answer.body.policyClaims["custom-name"], holder["x-ms-sgx-mrsigner"]);
        await assert.rejects(verify(env.SGX_URL, answer.token.serialize()), { name: "JOSEAlgNotAllowed" });
    });
    recorded(call + ": a draft that denies, and one with a mistake", needs, async () => {
        const denies = "version=1.0; authorizationrules { => deny(); }; issuancerules {};";
        await refused(client(env.SGX_URL)[call](of(), { draftPolicyForAttestation: denies }), 400, "PolicyEvaluationError");
        await refused(client(env.SGX_URL)[call](of(), { draftPolicyForAttestation: "version=1.0;\nauthorizationrules { = };" }), 400,
            "PolicyParsingError", /2/);
    });
    recorded(call + ": with credentials", needs, async () => {
        const answer = await new attestation.AttestationClient(env.SGX_URL, secret())[call](of());
        isOurEnclave(answer.body ? { body: answer.body, payload: answer.token.getBody() } : answer);
    });
    recorded(call + ": changed evidence", needs, async () => {
        const changed = Buffer.from(of());
        changed[of().length - quote.length + 48 + 64] ^= 1; // of the measurement
        await refused(client(env.SGX_URL)[call](changed), 400, "InvalidParameter", /signature/);
        await refused(client(env.SGX_URL)[call](of().subarray(0, 400)), 400, "InvalidParameter");
        await refused(client(env.SGX_URL)[call](Buffer.alloc(0)), 400, "InvalidParameter");
    });
    recorded(call + ": collateral of another time", needs, () => // of today, where it is years old or not there
        refused(client(env.ATTESTATION_AAD_URL)[call](of()), 400, "InvalidParameter"));
}

recorded("tokens of ES256", needs, async () => isOurEnclave(await attest("attestSgxEnclave", env.SGX_SIGNED_URL, quote)));
recorded("a quote without Open Enclave's header", needs, () =>
    refused(client(env.SGX_URL).attestOpenEnclave(quote), 400, "InvalidParameter", /header/));

recorded("evidence and data in every form that the SDK takes outside browsers", needs, async () => {
    for (const form of [(b) => b, (b) => new Uint8Array(b)]) {
        const asks = client(env.SGX_URL);
        const { body } = await asks.attestSgxEnclave(form(quote), { runTimeData: form(held) });
        assert.deepEqual(Buffer.from(body.enclaveHeldData), held);
        assert.equal((await asks.attestOpenEnclave(form(report), { runTimeJson: form(held) })).body.mrEnclave, body.mrEnclave);
    }
});
recorded("options of every call: onResponse, headers, abortSignal", needs, async () => {
    const asks = client(env.SGX_URL);
    const seen = [];
    const options = { onResponse: (response) => seen.push(response), requestOptions: { customHeaders: { "x-of-the-test": "1" } } };
    await asks.attestSgxEnclave(quote, options);
    assert.equal(seen[0].status, 200);
    assert.match(seen[0].headers.get("content-type"), /^application\/json/);
    assert.match(seen[0].headers.get("x-ms-request-id"), /^[0-9a-f-]{36}$/);
    assert.equal(seen[0].request.headers.get("x-of-the-test"), "1");
    const abort = new AbortController();
    abort.abort();
    await assert.rejects(asks.attestSgxEnclave(quote, { abortSignal: abort.signal }), { name: "AbortError" });
});

// --- What the client checks by itself ---

const checking = (validationOptions) =>
    client(env.SGX_URL, { validationOptions: { validateToken: true, ...validationOptions } }).attestSgxEnclave(quote);
recorded("validationOptions: expectedIssuer", needs, async () => {
    await checking({ validateIssuer: true, expectedIssuer: env.SGX_URL });
    await assert.rejects(checking({ validateIssuer: true, expectedIssuer: env.SGX_URL + "/" }), /issuer/i);
    await assert.rejects(checking({ validateIssuer: true, expectedIssuer: env.TDX_URL }), /issuer/i);
    await checking({ validateIssuer: false, expectedIssuer: env.TDX_URL });
    const perCall = { validationOptions: { validateToken: true, validateIssuer: true, expectedIssuer: env.TDX_URL } };
    await assert.rejects(client(env.SGX_URL).attestSgxEnclave(quote, perCall), /issuer/i);
});
recorded("validationOptions: times and slack", needs, async () => {
    await checking({ validateExpirationTime: true, validateNotBeforeTime: true, timeValidationSlack: 0 });
    await checking({ validateExpirationTime: true, validateNotBeforeTime: true, timeValidationSlack: 10 });
    const answer = await checking({ validateExpirationTime: false, validateNotBeforeTime: false });
    const { iat, nbf, exp } = answer.token.getBody();
    assert.ok(nbf <= Date.now() / 1000 && iat >= nbf && exp > Date.now() / 1000 + 60);
    assert.equal(answer.token.expiresOn.getTime(), exp * 1000);
    assert.equal(answer.token.issuedAt.getTime(), iat * 1000);
});
recorded("validationOptions: the edges of a token's life, to the second", needs, async () => {
    const asks = client(env.SGX_URL);
    const [{ token }, signers] = [await asks.attestSgxEnclave(quote), await asks.getAttestationSigners()];
    const { nbf, exp } = token.getBody();
    const real = Date;
    const problemsAt = (unix, more) => {
        global.Date = class extends real { constructor(...given) { super(...(given.length ? given : [unix * 1000])); } };
        try {
            const checks = { validateToken: true, validateExpirationTime: true, validateNotBeforeTime: true, ...more };
            return token.getTokenProblems(signers, checks).join();
        } finally {
            global.Date = real;
        }
    };
    for (const [unix, slack, words] of [[nbf, 0, ""], [exp, 0, ""], [exp + 1, 0, "expired"], [exp + 10, 10, ""], [exp + 11, 10, "expired"],
        [nbf - 1, 0, "not yet valid"], [nbf - 10, 10, ""], [nbf - 11, 10, "not yet valid"]]) {
        const found = problemsAt(unix, { timeValidationSlack: slack });
        assert.ok(words ? found.includes(words) : found === "", `${unix} ${slack}: ${found}`);
    }
    assert.equal(problemsAt(exp + 99, { validateExpirationTime: false }), "");
    assert.equal(problemsAt(nbf - 99, { validateNotBeforeTime: false }), "");
});
recorded("validationOptions: validateToken and validateAttestationToken", needs, async () => {
    let seen;
    await checking({ validateAttestationToken: (token, signer) => void (seen = [token.keyId, signer?.keyId]) });
    assert.ok(seen[0] && seen[0] === seen[1], "the signer that the key set names");
    await assert.rejects(checking({ validateAttestationToken: () => ["not today"] }), /not today/);
    await checking({ validateToken: false, validateIssuer: true, expectedIssuer: "https://elsewhere" });
});
recorded("a token under another instance's keys", needs, async () => {
    const answer = await checking({});
    const strangers = await client(env.TDX_URL).getAttestationSigners();
    let problems; // the SDK reports or throws, by whether the token brings a certificate
    try { problems = answer.token.getTokenProblems(strangers); } catch (error) { problems = [error]; }
    assert.notEqual(problems.length, 0);
    await assert.rejects(verify(env.TDX_URL, answer.token.serialize()), { name: "JWKSNoMatchingKey" });
    const parts = answer.token.serialize().split(".");
    const claims = { ...answer.token.getBody(), "x-ms-sgx-is-debuggable": false, jti: "0" };
    await assert.rejects(verify(env.SGX_URL, [parts[0], b64u(JSON.stringify(claims)), parts[2]].join(".")));
});

// --- What the SDK cannot ask ---

recorded("nonce, case of the type, api-versions", needs, async () => {
    const body = { quote: b64u(quote), nonce: "of the test" };
    const { status, body: answer } = await post(env.SGX_URL, "sgxenclave", body);
    assert.equal(status, 200, JSON.stringify(answer));
    assert.equal((await verify(env.SGX_URL, answer.token)).payload.nonce, "of the test");
    const old = await fetch(`${env.SGX_URL}/attest/SgxEnclave?api-version=1999-01-01`, { method: "POST", body: "{}" });
    assert.equal(old.status, 400);
    assert.equal((await old.json()).error.code, "UnsupportedApiVersion");
});
