"""Suffixes below which everyone can register a domain, such as .com and .co.uk.

Every top-level domain is one. Of those with two labels this has the common ones of large countries, from the ICANN part
of the Public Suffix List (publicsuffix.org); a complete list would need an update with every release.
"""

_SECOND_LEVEL = {
    "ae": "ac co gov net org sch",
    "ar": "com edu gob gov int mil net org",
    "at": "ac co gv or",
    "au": "asn com edu gov id net org",
    "br": "art blog com edu eco gov ind jus leg mil net org tv",
    "cn": "ac com edu gov mil net org",
    "co": "com edu gov mil net nom org",
    "eg": "com edu gov mil net org sci",
    "es": "com edu gob nom org",
    "fr": "asso com gouv nom prd tm",
    "gr": "com edu gov net org",
    "hk": "com edu gov idv net org",
    "hu": "co info org priv tm",
    "id": "ac biz co go mil my net or sch web",
    "il": "ac co gov muni net org",
    "in": "ac co edu firm gen gov ind mil net nic org res",
    "jp": "ac ad co ed go gr lg ne or",
    "ke": "ac co go info me mobi ne or sc",
    "kr": "ac co go hs kg mil ms ne or pe re sc",
    "mx": "com edu gob net org",
    "my": "com edu gov mil name net org",
    "ng": "com edu gov mil mobi name net org sch",
    "nz": "ac co geek gen govt health iwi maori mil net org school",
    "pe": "com edu gob mil net nom org",
    "ph": "com edu gov mil net ngo org",
    "pk": "biz com edu fam gob gov net org web",
    "pl": "biz com edu gov info net org",
    "pt": "com edu gov int net nome org publ",
    "ro": "arts com firm info nom org store www",
    "sa": "com edu gov med net org pub sch",
    "sg": "com edu gov net org",
    "th": "ac co go in mi net or",
    "tr": "bel biz com edu gen gov info k12 mil name net org pol tel tv web",
    "tw": "com edu gov idv mil net org",
    "ua": "com edu gov in net org",
    "uk": "ac co gov ltd me net nhs org plc police sch",
    "ve": "co com edu gob info mil net org web",
    "vn": "ac biz com edu gov health info int name net org pro",
    "za": "ac co edu gov law mil net nom org school web",
}


def is_public_suffix(domain: str) -> bool:
    """Whether `domain`, in lower case, is a top-level domain or one of the known suffixes with two labels."""
    second, _, top = domain.partition(".")
    return not top or second in _SECOND_LEVEL.get(top, "").split()
