"""What ssh says when it cannot do something, and what to do about it.

ssh ends with status 255 whatever went wrong; only its words tell. They are those of OpenSSH (ssh.c, sshconnect.c,
sshconnect2.c, packet.c, mux.c), which are not translated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.errors import HardwareError, LinkLostError

_CHATTER = re.compile(
    r"^(?:debug[123]: |OpenSSH_|Authenticated to |Warning: Permanently added |Transferred: |Bytes per second: )"
)
_SHOWN_CHARACTERS = 300


class HostKeyError(HardwareError):
    """The board is not known by its key, or shows another one than before: nothing more may be tried."""


class AuthenticationError(HardwareError):
    """The board does not let this user in."""


@dataclass(frozen=True, slots=True)
class _Complaint:
    """Words of ssh, and what they mean. ``{host}`` and the pattern's groups are filled in."""

    pattern: str
    message: str
    advice: str
    kind: type[HardwareError] = HardwareError


_COMPLAINTS = (
    _Complaint(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "{who} shows another host key than the one that is known{where}",
        "find out why before anything else: another machine may answer at this address. If the board was installed "
        "anew, `{forget}`, then `ssh {host}` once by hand and compare the fingerprint",
        HostKeyError,
    ),
    _Complaint(
        r"REVOKED HOST KEY DETECTED|host key .* (?:is )?revoked",
        "{host} shows a host key that is revoked",
        "do not use this board until its key was made anew",
        HostKeyError,
    ),
    _Complaint(
        r"Host key verification failed|No \S+ host key is known for",
        "the host key of {who} is not known here",
        "connect once by hand (`ssh {host}`), compare the fingerprint with the board's own and accept it",
        HostKeyError,
    ),
    _Complaint(
        r"Permission denied(?: \((?P<methods>[^)]*)\))?|Too many authentication failures"
        r"|No more authentication methods",
        "{who} does not let this user in{methods}",
        "the lab asks for no password: put your public key there (ssh-copy-id), name the key in ~/.ssh/config, "
        "or set board.user",
        AuthenticationError,
    ),
    _Complaint(
        r"Could not resolve hostname (?P<name>[^\s:]+)",
        "there is no machine called {name}",
        "check board.host, ~/.ssh/config and the name service",
    ),
    _Complaint(
        r"connect to (?:host|address) .*Connection refused",
        "{host} refuses connections: the machine answers, its SSH server does not",
        "is sshd running there, and board.port right?",
    ),
    _Complaint(
        r"Connection timed out|Operation timed out|timed out during banner exchange|Connection to .* timed out",
        "{host} does not answer",
        "is the board on, connected, and its address right? A slow one: raise board.connect_timeout",
    ),
    _Complaint(
        r"No route to host|Network is unreachable|Host is down",
        "there is no way to {host} in the network",
        "is the board on and connected? Check the cable, the VPN and the jump host",
    ),
    _Complaint(
        r"no matching (?P<what>[\w ]+) found.*?Their offer: (?P<offer>\S+)",
        "{host} and this ssh have no {what} in common; it offers {offer}",
        "allow what it offers for this host in ~/.ssh/config",
    ),
    _Complaint(
        r"UNPROTECTED PRIVATE KEY FILE",
        "ssh refuses a private key that others can read",
        "chmod 600 the key's file",
    ),
    _Complaint(
        r"Session open refused by peer|administratively prohibited",
        "{host} does not open another session in this connection",
        "raise MaxSessions in the board's sshd_config (the lab needs 4)",
    ),
    _Complaint(
        r"Bad owner or permissions on \S+|/\S+: line \d+: (?![^\n]*not found)[^\n]*|Bad configuration option: .+"
        r"|Can't open user config file [^\n:]+",
        "ssh does not like its configuration: {said}",
        "mend it there; try `ssh -G {host}`",
    ),
    _Complaint(
        r"(?:unix_listener|ControlPath|ControlSocket)[^\n]*(?:too long|already exists|cannot bind)",
        "ssh cannot make the socket of the shared connection: {said}",
        "set TMPDIR to a short path of your own",
    ),
    _Complaint(
        r"kex_exchange_identification|Connection (?:closed|reset) by|banner exchange|Broken pipe|Connection closed",
        "{host} ended the connection before it was set up",
        "its SSH server may be starting, or may take no more connections (MaxStartups); look into its log",
    ),
)


def said(text: str) -> str:
    """ssh's own last line, without what it says for debugging."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _CHATTER.match(line)]
    return lines[-1][:_SHOWN_CHARACTERS] if lines else ""


def complaint(text: str, host: str, *, connected: bool = False) -> HardwareError:
    """The error that ssh's words stand for, with one line and an advice.

    ``host`` is what one would type after ``ssh``. Once the connection stood (``connected``), its end is a
    :class:`LinkLostError` unless ssh gave another reason.
    """
    plain = "\n".join(line for line in text.splitlines() if not _CHATTER.match(line))
    for candidate in _COMPLAINTS[:-1] if connected else _COMPLAINTS:
        found = re.search(candidate.pattern, plain)
        if found is None or (connected and "timed out" in found[0]):
            continue
        groups = {name: value for name, value in found.groupdict().items() if value}
        methods = f" (it takes: {groups['methods']})" if "methods" in groups else ""
        known = {
            **groups,
            "host": host,
            "who": _who(plain, host),
            "said": found[0].strip()[:_SHOWN_CHARACTERS],
            "methods": methods,
            **_known_hosts(plain, host),
        }
        return candidate.kind(candidate.message.format_map(known), advice=candidate.advice.format_map(known))
    words = said(plain)
    if connected:
        return LinkLostError(
            f"the link to {host} broke" + (f": {words}" if words else ""),
            advice="check the network and the board's power",
        )
    return HardwareError(
        f"no connection to {host}" + (f": {words}" if words else " (ssh says nothing)"),
        advice=f"try by hand: ssh -o BatchMode=yes {host} true",
    )


def _who(text: str, host: str) -> str:
    """Whom ssh speaks of: with a jump host on the way, it may be that one."""
    ways = (r"[Hh]ost key for (\S+) has changed", r"No \S+ host key is known for (\S+) and", r"(\S+@\S+): Permission")
    found = re.search("|".join(ways), text)
    return next((name for name in found.groups() if name), host) if found else host


def _known_hosts(text: str, host: str) -> dict[str, str]:
    """Where the known key stands, and the command that forgets it, as far as ssh says it."""
    place = re.search(r"Offending (?:\S+ )*key in (?P<file>.+):(?P<line>\d+)", text)
    forget = re.search(r'ssh-keygen -f ["\'](?P<file>[^"\']+)["\'] -R ["\'](?P<name>[^"\']+)["\']', text)
    return {
        "where": f" ({place['file'].strip()}, line {place['line']})" if place else "",
        "forget": f"ssh-keygen -f '{forget['file']}' -R '{forget['name']}'" if forget else f"ssh-keygen -R {host}",
    }
