"""Modules by the distributions that bring them, and what to use in place of those that no sandbox runs.

The engine is built with a copy of this module: it imports nothing.
"""

DISTRIBUTIONS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "google": "protobuf",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "markdown": "Markdown",
    "mpl_toolkits": "matplotlib",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyopenssl",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "slugify": "python-slugify",
    "socks": "pysocks",
    "telegram": "python-telegram-bot",
    "win32api": "pywin32",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
"""Modules whose distribution has another name."""

_OUTSIDE = "run it outside and pass its results in as arguments"

NATIVE = {
    "aiohttp": "use capsule.http, requests or httpx",
    "asyncpg": "query outside and pass the rows in as arguments; sqlite3 is there",
    "bcrypt": "use hashlib.scrypt",
    "cryptography": "use hashlib, hmac and secrets, or do it outside",
    "cupy": _OUTSIDE,
    "cv2": _OUTSIDE,
    "grpc": "use HTTP: capsule.http, requests or httpx",
    "jax": _OUTSIDE,
    "lxml": "use xml.etree.ElementTree, or beautifulsoup4 with html.parser",
    "matplotlib": "return the numbers and draw them outside",
    "MySQLdb": "query outside and pass the rows in as arguments; sqlite3 is there",
    "numba": _OUTSIDE,
    "numpy": f"use lists with math, statistics and array, or {_OUTSIDE}",
    "onnxruntime": _OUTSIDE,
    "orjson": "use json",
    "pandas": f"use csv, json and sqlite3, or {_OUTSIDE}",
    "PIL": _OUTSIDE,
    "playwright": "fetch pages with capsule.http, or drive the browser outside",
    "polars": f"use csv, json and sqlite3, or {_OUTSIDE}",
    "psutil": "a sandbox has no processes to look at",
    "psycopg": "query outside and pass the rows in as arguments; sqlite3 is there",
    "psycopg2": "query outside and pass the rows in as arguments; sqlite3 is there",
    "pyarrow": _OUTSIDE,
    "pydantic_core": 'use "pydantic<2", which is pure Python, or dataclasses',
    "scipy": _OUTSIDE,
    "selenium": "fetch pages with capsule.http, or drive the browser outside",
    "sentence_transformers": _OUTSIDE,
    "skimage": _OUTSIDE,
    "sklearn": _OUTSIDE,
    "spacy": _OUTSIDE,
    "tensorflow": _OUTSIDE,
    "tiktoken": _OUTSIDE,
    "tokenizers": _OUTSIDE,
    "torch": _OUTSIDE,
    "transformers": _OUTSIDE,
    "ujson": "use json",
    "uvloop": "asyncio runs without it",
    "zmq": "use HTTP: capsule.http, requests or httpx",
}
"""Modules in native code, which no sandbox runs, and what to do without them."""

STANDARD = {
    "_ctypes": "there are no shared libraries to load",
    "_curses": "there is no terminal",
    "_multiprocessing": "there is one process; tasks run side by side, see Task.map",
    "_posixshmem": "there is one process; tasks run side by side, see Task.map",
    "_tkinter": "there is no screen",
    "fcntl": "there are no file locks",
    "pty": "there is no terminal",
    "readline": "there is no terminal",
    "resource": "limits are the task's own: ram, compute and timeout",
    "termios": "there is no terminal",
    "tkinter": "there is no screen",
    "turtle": "there is no screen",
}
"""Modules of the standard library that need an operating system around them, and why they aren't there."""
