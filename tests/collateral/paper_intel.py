"""A maker on paper: a root of its own with Intel's names, what it signs, and a service that gives it, well or badly.

Used by fetch_test.py and serve_test.py; nothing here is of Intel.
"""
import datetime
import http.server
import json
import ssl
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

FMSPC = "00aa11bb22cc"
NOW = datetime.datetime(2026, 3, 10, 12)
DAY = datetime.timedelta(days=1)


def der(thing):
    return thing.public_bytes(serialization.Encoding.DER)


def pem(thing):
    return thing.public_bytes(serialization.Encoding.PEM)


def name(common):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Maker:
    def __init__(self):
        self.root_key, self.root = self.certificate("Intel SGX Root CA", None, True)
        self.platform_key, self.platform = self.certificate("Intel SGX PCK Platform CA", self, True)
        self.processor_key, self.processor = self.certificate("Intel SGX PCK Processor CA", self, True)
        self.tcb_key, self.tcb = self.certificate("Intel SGX TCB Signing", self, False)

    def certificate(self, common, issuer, authority):
        key = ec.generate_private_key(ec.SECP256R1())
        sign_with = issuer.root_key if issuer else key
        usage = dict.fromkeys(
            ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"], False)
        built = (x509.CertificateBuilder().subject_name(name(common)).issuer_name(name("Intel SGX Root CA"))
                 .public_key(key.public_key()).serial_number(x509.random_serial_number())
                 .not_valid_before(NOW - 1000 * DAY).not_valid_after(NOW + 3000 * DAY)
                 .add_extension(x509.BasicConstraints(authority, (0 if issuer else 1) if authority else None), True)
                 .add_extension(x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority,
                                              **usage), True))
        return key, built.sign(sign_with, hashes.SHA256())

    def crl(self, common, key, number, days=20, revoked=()):
        built = (x509.CertificateRevocationListBuilder().issuer_name(name(common)).last_update(NOW - 5 * DAY)
                 .next_update(NOW + days * DAY).add_extension(x509.CRLNumber(number), False))
        for serial in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - 6 * DAY).build()
            built = built.add_revoked_certificate(entry)
        return der(built.sign(key, hashes.SHA256()))

    def sign(self, member, body):
        text = json.dumps(body, separators=(",", ":"))
        r, s = utils.decode_dss_signature(self.tcb_key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return ('{"%s":%s,"signature":"%064x%064x"}' % (member, text, r, s)).encode()

    @staticmethod
    def window(days):
        form = "%Y-%m-%dT%H:%M:%SZ"
        return {"issueDate": (NOW - 5 * DAY).strftime(form), "nextUpdate": (NOW + days * DAY).strftime(form)}

    def tcb_info(self, evaluation, days=20, fmspc=FMSPC):
        level = {"tcb": {"sgxtcbcomponents": [{"svn": 1}] * 16, "pcesvn": 13}, "tcbDate": "2026-01-01T00:00:00Z",
                 "tcbStatus": "UpToDate"}
        return self.sign("tcbInfo", {"id": "SGX", "version": 3, **self.window(days), "fmspc": fmspc, "pceId": "0000",
                                     "tcbType": 0, "tcbEvaluationDataNumber": evaluation, "tcbLevels": [level]})

    def identity(self, evaluation, days=20):
        level = {"tcb": {"isvsvn": 8}, "tcbDate": "2026-01-01T00:00:00Z", "tcbStatus": "UpToDate"}
        return self.sign("enclaveIdentity", {
            "id": "QE", "version": 2, **self.window(days), "tcbEvaluationDataNumber": evaluation, "miscselect": "00000000",
            "miscselectMask": "FFFFFFFF", "attributes": "11" + "00" * 15, "attributesMask": "FB" + "FF" * 7 + "00" * 8,
            "mrsigner": "8C" * 32, "isvprodid": 1, "tcbLevels": [level]})

    def answers(self, evaluation=20, days=20, number=5):
        """Path without query (pckcrl with its authority) -> (content type, chain header, chain, body)."""
        chain = pem(self.tcb) + pem(self.root)
        crl = "SGX-PCK-CRL-Issuer-Chain"
        return {
            "/sgx/certification/v4/tcb": ("application/json", "TCB-Info-Issuer-Chain", chain, self.tcb_info(evaluation, days)),
            "/sgx/certification/v4/qe/identity":
                ("application/json", "SGX-Enclave-Identity-Issuer-Chain", chain, self.identity(evaluation, days)),
            "/sgx/certification/v4/pckcrl?platform":
                ("application/pkix-crl", crl, pem(self.platform) + pem(self.root),
                 self.crl("Intel SGX PCK Platform CA", self.platform_key, number, days)),
            "/sgx/certification/v4/pckcrl?processor":
                ("application/pkix-crl", crl, pem(self.processor) + pem(self.root),
                 self.crl("Intel SGX PCK Processor CA", self.processor_key, number, days)),
            "/sgx/certification/v4/rootcacrl":
                ("application/x-pem-file", None, None, self.crl("Intel SGX Root CA", self.root_key, number, 300).hex().encode()),
        }


def tls_files(folder):
    """A certificate for 127.0.0.1, and its key: paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = name("service of a test")
    import ipaddress
    now = datetime.datetime.utcnow()
    built = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
             .serial_number(1).not_valid_before(now - DAY).not_valid_after(now + DAY)
             .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
             .add_extension(x509.BasicConstraints(True, None), True))
    (folder / "tls.pem").write_bytes(pem(built.sign(key, hashes.SHA256())))
    (folder / "tls.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                       serialization.NoEncryption()))
    (folder / "tls.key").chmod(0o600)
    return folder / "tls.pem", folder / "tls.key"


class Service:
    """Answers over TLS on a port of its own; `how` names what is wrong with its answers, None: nothing."""

    def __init__(self, tls, answers, how=None):
        self.answers, self.how, self.asked = answers, how, []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def do_GET(self):
                try:
                    service.answer(self)
                except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):  # clients that turn away are what is tested
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, tls))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = "https://127.0.0.1:%d" % self.server.server_port

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        self.asked.append(request.path)
        parts = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        path = parts.path + ("?" + query["ca"] if "ca" in query else "")
        how = self.how
        if path not in self.answers or how == "absent":
            return self.send(request, 404, b"absent")
        kind, header, chain, body = self.answers[path]
        headers = {"Content-Type": kind}
        if header:
            headers[header] = urllib.parse.quote(chain.decode())
        if how == "broken":
            return self.send(request, 500, b"no")
        if how == "credential":
            return self.send(request, 401, b"no")
        if how == "redirect":
            return self.send(request, 302, b"", {"Location": self.elsewhere + request.path})
        if how == "other":
            body = b"<html>welcome to the hotel's network</html>"
        if how == "empty":
            body = b""
        if how == "flipped":
            body = body[:len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1:]
        if how == "swapped":  # genuine, but not what was asked for
            body = self.answers["/sgx/certification/v4/qe/identity" if path.endswith("/tcb") else "/sgx/certification/v4/tcb"][3]
        if how == "chainless":
            headers = {"Content-Type": kind}
        if how == "bad chain" and header:
            headers[header] = "%zz"
        if how == "huge header":
            headers["X-More"] = "x" * 60000
            headers["X-Again"] = "x" * 60000
        if how == "huge":
            body += b" " * (2 << 20)
        if how == "endless":  # no length: the size is only known as it comes
            request.send_response(200)
            request.end_headers()
            while True:
                request.wfile.write(b" " * 65536)
        if how == "truncated":
            return self.send(request, 200, body[:-20], {**headers, "Content-Length": str(len(body))}, close=True)
        if how == "slow body":
            request.send_response(200)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            for byte in body:
                request.wfile.write(bytes([byte]))
                request.wfile.flush()
                time.sleep(0.2)
            return None
        if how == "silent":
            time.sleep(8)
        return self.send(request, 200, body, headers)

    @staticmethod
    def send(request, status, body, headers=None, close=False):
        headers = {"Content-Length": str(len(body)), **(headers or {})}
        request.send_response(status)
        for key, value in headers.items():
            request.send_header(key, value)
        request.end_headers()
        request.wfile.write(body)
        request.close_connection = close or request.close_connection
