"""Certificates for tests: two authorities, one certificate of each, and one whose time is over."""
import subprocess


def make(directory, hosts=("127.0.0.1",)):
    """good.pem and expired.pem of goodca.pem, evil.pem of evilca.pem, all for these addresses."""
    def run(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=directory)
    names = ",".join(f"IP:{host}" for host in hosts)
    for ca in ("goodca", "evilca"):
        run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{ca}.key", "-out",
            f"{ca}.pem", "-subj", f"/CN={ca}", "-days", "2")
    for ca, name, days in (("goodca", "good", "2"), ("evilca", "evil", "2"), ("goodca", "expired", "0")):
        run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}")
        run("x509", "-req", "-copy_extensions", "copy", "-in", f"{name}.csr", "-CA", f"{ca}.pem",
            "-CAkey", f"{ca}.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", days)


def environment(directory):
    """What `sluice` finds good.pem by."""
    files = (("CERT", "good.pem"), ("KEY", "good.key"), ("CA", "goodca.pem"))
    return {f"SLUICE_TLS_{name}": f"{directory}/{file}" for name, file in files}


def tls_flags(directory, name):
    """What a process with that certificate is started with; only goodca is trusted."""
    return [f"--tls-cert={directory}/{name}.pem", f"--tls-key={directory}/{name}.key",
            f"--tls-ca={directory}/goodca.pem"]
