"""The encrypted way to the gRPC server.

The host proves itself with a certificate on the curve P-521, which the TLS library
inside grpcio does not take. So Python's own ssl module ends the encryption and hands
the bytes on to the gRPC server, through a socket in the private directory that the
host made for this process.
"""

import asyncio
import base64
import datetime
import os
import ssl
import tempfile
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CHUNK = 256 << 10


def context(client: str, directory: str) -> tuple[ssl.SSLContext, str]:
    """A server's context that takes the one client alone, and its own new
    certificate as the handshake wants it: base64 of DER, without padding."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5)).not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    out = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    out.minimum_version = ssl.TLSVersion.TLSv1_2
    out.set_alpn_protocols(["h2"])
    out.verify_mode = ssl.CERT_REQUIRED
    out.load_verify_locations(cadata=client)
    # load_cert_chain takes files alone.
    with tempfile.NamedTemporaryFile(dir=directory) as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        f.write(certificate.public_bytes(serialization.Encoding.PEM))
        f.flush()
        out.load_cert_chain(f.name)
    der = certificate.public_bytes(serialization.Encoding.DER)
    return out, base64.b64encode(der).decode().rstrip("=")


def relay(tls: ssl.SSLContext, outside: str, inside: str) -> None:
    """Takes connections at the path outside and hands them on to the path inside,
    in a thread of its own. It returns once connections are taken."""
    ready = threading.Event()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_unix_connection(inside)
        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))

    async def run() -> None:
        server = await asyncio.start_unix_server(take, outside, ssl=tls)
        os.chmod(outside, 0o600)
        ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(run()), name="tls", daemon=True).start()
    if not ready.wait(30):
        raise RuntimeError(f"no socket at {outside}")
