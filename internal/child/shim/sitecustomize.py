"""authsome run: names at port 443 resolve to the run's proxy.

For Python libraries that know of no proxy. The proxy takes the TLS that comes
and reads in it which server is meant; certificates are checked for that name,
as ever. Local names, addresses and hosts of NO_PROXY are left alone, and so is
everything if anything here fails. The sitecustomize that Python would have
found without this one is run afterwards.
"""
import os
import sys


def _install(proxy):
    host, _, port = proxy.rpartition("/")[2].rpartition(":")
    if "@" in host or not port.isdigit():  # TLS can't carry the password
        return
    there = (host.strip("[]"), int(port))

    def routed(name, port):
        if isinstance(name, bytes):
            name = name.decode("ascii")
        if port not in (443, "443", "https", b"443", b"https") or not name:
            return False
        name = name.lower().rstrip(".")
        if ":" in name or name.replace(".", "").isdigit() or name == "localhost" or name.endswith(".localhost"):
            return False
        for entry in os.environ.get("NO_PROXY", "").lower().replace(",", " ").split():
            entry = entry.lstrip("*").lstrip(".")
            if not entry or name == entry or name.endswith("." + entry):
                return False
        return True

    def wrap(socket):
        direct = socket.getaddrinfo
        if getattr(direct, "authsome", False):
            return

        def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
            try:
                if type in (0, socket.SOCK_STREAM) and routed(host, port):
                    return direct(there[0], there[1], family, type, proto, flags)
            except Exception:  # a family that the proxy has no address of, say
                pass
            return direct(host, port, family, type, proto, flags)

        getaddrinfo.authsome = True
        getaddrinfo.__doc__ = direct.__doc__
        socket.getaddrinfo = getaddrinfo

    if "socket" in sys.modules:
        wrap(sys.modules["socket"])
        return

    class Finder(object):
        """Waits for socket to be imported, which takes long for those who never need it."""

        asked = False

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name != "socket" or Finder.asked:
                return None
            Finder.asked = True  # it may be called from within what others have put in its place
            sys.meta_path[:] = [f for f in sys.meta_path if f is not Finder]
            for finder in sys.meta_path:
                spec = finder.find_spec(name, path, target) if hasattr(finder, "find_spec") else None
                if spec is not None:
                    break
            else:
                return None
            loader = spec.loader
            run = loader.exec_module

            def exec_module(module):
                del loader.exec_module
                run(module)
                wrap(module)

            try:
                loader.exec_module = exec_module
            except Exception:  # a loader that can't be changed
                pass
            return spec

    sys.meta_path.insert(0, Finder)


def _next():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [p for p in sys.path if p != here]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as error:
        if getattr(error, "name", None) != "sitecustomize":
            raise
    finally:
        if ours is not None:
            sys.modules.setdefault("sitecustomize", ours)


try:
    if sys.version_info >= (3, 4):
        _install(os.environ.get("AUTHSOME_PROXY", ""))
except Exception:
    pass
_next()
