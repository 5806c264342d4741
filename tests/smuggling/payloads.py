"""What is sent: requests that not every reader takes to end at the same place.

A payload is a request with something doubtful in it, then mostly a second one which only some
readers see (SMUGGLED: it stands where others see a body), and at the end one that everybody sees
who is still in step (LAST, which asks for the close). They are built by families, each from the
list of its tricks; every list is crossed with the places where such a trick can stand.
"""
from collections import namedtuple

# `reads`: (method, target, body) of each request, where the payload is no trick.
Payload = namedtuple('Payload', 'number name data reads')

NUMBER = b'NNNNN'  # in every target, replaced by the payload's own of the same width
HOST = b'Host: weft.test\r\n'
SMUGGLED = b'GET /smuggled-NNNNN HTTP/1.1\r\n' + HOST + b'\r\n'
CHUNKED = b'Transfer-Encoding: chunked\r\n'
KEEP = b'Connection: keep-alive\r\n'
CLOSE = b'Connection: close\r\n'
LAST = b'GET /last-NNNNN HTTP/1.1\r\n' + HOST + CLOSE + b'\r\n'
HELLO = b'5\r\nhello\r\n0\r\n\r\n'
EMPTY = b'0\r\n\r\n'


def length(size):
    return b'Content-Length: %d\r\n' % size


def request(fields=b'', body=b'', method=b'POST', version=b'HTTP/1.1', host=HOST,
            target=b'/p-NNNNN'):
    return method + b' ' + target + b' ' + version + b'\r\n' + host + fields + b'\r\n' + body


def shown(data):
    return data.decode('latin-1').encode('unicode_escape').decode() or '(empty)'


# --- Where a header can be hidden -----------------------------------------------------------------

def hidden(name, value):
    """Ways to write a header line so that not everybody takes it for that header."""
    plain = name + b': ' + value + b'\r\n'
    half, rest = name.split(b'-', 1) if b'-' in name else (name[:2], name[2:])
    for sign in (
            b' ', b'\t', b'\x00', b'\x0b', b'\x0c', b'\r', b'\n', b'\r\n', b'\r\n ', b'\xa0',
            b'\x7f', b'.', b';', b'=', b'"', b'_', b'-',
    ):
        yield 'before the colon ' + shown(sign), name + sign + b': ' + value + b'\r\n'
    for sign in (
            b' ', b'\t', b'\x00', b'\x0b', b'\xa0', b':', b'"', b'\r', b'\n', b'\r\n', b'_', b'.',
            b'\x08',
    ):
        yield 'before the name ' + shown(sign), sign + plain
    for sign in b' ', b'_', b'\x00', b'\t', b'--', b'\xad', b'\xe2\x80\x90':
        yield 'in the name ' + shown(sign), half + sign + rest + b': ' + value + b'\r\n'
    for sign in (
            b'', b'\t', b'  ', b'\r\n ', b'\r\n\t', b'\n ', b'\r ', b'\x00', b'\x0b', b'\x0c', b':',
            b'\r\r\n ', b'\xa0',
    ):
        yield 'after the colon ' + shown(sign), name + b':' + sign + value + b'\r\n'
    for end in (
            b'\n', b'\r', b'\r\r\n', b'\n\r', b' \r\n', b'\t\r\n', b'\x00\r\n', b'\x0b\r\n',
            b'\r\n \r\n',
    ):
        yield 'line end ' + shown(end), name + b': ' + value + end
    for sign in (
            b'\r', b'\n', b'\r\n ', b'\r\n\t', b'\x00', b'\x0b', b'\r\r', b'\x85', b'\xe2\x80\xa8',
            b'\\r\\n', b'%0d%0a', b'\xc4\x8d\xc4\x8a',
    ):
        yield 'in the value of another after ' + shown(sign), b'X: y' + sign + plain
    yield 'upper case', name.upper() + b': ' + value + b'\r\n'
    yield 'lower case', name.lower() + b': ' + value + b'\r\n'
    yield 'no colon', name + b' ' + value + b'\r\n'
    yield 'equals for the colon', name + b'=' + value + b'\r\n'
    yield 'quoted name', b'"' + name + b'": ' + value + b'\r\n'
    yield 'X- before the name', b'X-' + plain
    yield 'escape in the name', half + b'%2d' + rest + b': ' + value + b'\r\n'
    yield 'letter missing', name[:-1] + b': ' + value + b'\r\n'
    yield 'joint missing', half + rest + b'x: ' + value + b'\r\n'
    yield 'behind a line without a colon', b'nonsense\r\n' + plain
    yield 'behind an empty name', b': y\r\n' + plain
    yield 'behind a folded line', b'X: y\r\n z\r\n' + plain
    yield 'behind a value with NUL', b'X: a\x00b\r\n' + plain
    yield 'behind high bytes', b'X: \xff\xfe\r\n' + plain
    yield 'behind a long value', b'X: ' + b'y' * 6000 + b'\r\n' + plain


# --- Transfer-Encoding ----------------------------------------------------------------------------

CODINGS = (
    b'chunked', b'Chunked', b'CHUNKED', b' chunked ', b'\tchunked\t', b'\x0bchunked',
    b'chunked\x0b', b'\x0cchunked', b'chunked\x0c', b'xchunked', b'chunkedx', b'chunke',
    b'x-chunked', b'"chunked"', b"'chunked'", b'chunked, identity', b'identity, chunked',
    b'identity', b'chunked, chunked', b'gzip, chunked', b'chunked, gzip', b'gzip',
    b'deflate, chunked', b', chunked', b'chunked,', b'chunked ,', b',chunked,', b',,chunked',
    b'chunked;', b'chunked;q=1', b'chunked; a="b"', b'identity;chunked', b'chunked identity',
    b'identity chunked', b'chunked\x00', b'\x00chunked', b'chun\x00ked', b'chunked\x00, identity',
    b'chunked\x01', b'chunked\x7f', b'chunked\x80', b'\xa0chunked', b'chunked\xa0',
    b'\xc2\xa0chunked', b'chun\xe2\x84\xaaed', b'chunked\r', b'\rchunked', b'chunked\rx', b'', b' ',
    b'null', b'0', b'*', b'chunked\\', b'ch unked', b'chunked#', b'chunked(x)',
    b'trailers, chunked', b'br, chunked', b'chunked,identity,', b'chunked:', b':chunked',
    b'=chunked', b'%63hunked', b'chunked/1', b'chunked\r\n ', b'\r\n chunked', b'x\r\n ,chunked',
    b'chunked\r\n , identity', b'identity\r\n\tchunked', b'chunked, "x', b'chunked, x=y',
    b'chunked;chunked', b'chunked\t, chunked',
)

REPEATED_CODINGS = (
    (b'chunked', b'chunked'), (b'chunked', b'identity'), (b'identity', b'chunked'),
    (b'gzip', b'chunked'), (b'chunked', b'gzip'), (b'xchunked', b'chunked'),
    (b'chunked', b'xchunked'), (b'', b'chunked'), (b'chunked', b''),
    (b'chunked', b'chunked, identity'), (b'identity', b'identity'), (b'x', b'y'),
)


def codings():
    """(name, header lines) of everything that may or may not be a Transfer-Encoding."""
    for value in CODINGS:
        yield 'value ' + shown(value), b'Transfer-Encoding: ' + value + b'\r\n'
    for values in REPEATED_CODINGS:
        yield ('lines ' + ' and '.join(map(shown, values)),
               b''.join(b'Transfer-Encoding: ' + v + b'\r\n' for v in values))
    yield from hidden(b'Transfer-Encoding', b'chunked')
    yield 'another name TE', b'TE: chunked\r\n'
    yield 'another name Content-Encoding', b'Content-Encoding: chunked\r\n'
    yield 'named in Connection', b'Connection: Transfer-Encoding\r\n' + CHUNKED
    yield 'apart', CHUNKED + b'X: y\r\nTransfer-Encoding: identity\r\n'


def transfer_encodings():
    inside = EMPTY + SMUGGLED
    nested = b'%x\r\n%s\r\n0\r\n\r\n' % (len(SMUGGLED), SMUGGLED)
    for name, lines in codings():
        yield 'after a length: ' + name, request(length(len(inside)) + lines, inside)
        yield 'before a length: ' + name, request(lines + length(len(inside)), inside)
        yield 'alone: ' + name, request(lines, HELLO)
    for name, lines in list(codings())[:len(CODINGS)]:
        yield 'short length: ' + name, request(length(4) + lines, nested)
        yield ('1.0: ' + name,
               request(length(len(inside)) + lines + KEEP, inside, version=b'HTTP/1.0'))
    for name, lines in list(codings())[:12]:
        yield ('1.0 alone: ' + name,
               request(lines + KEEP, HELLO, version=b'HTTP/1.0'))
        yield 'GET: ' + name, request(length(len(inside)) + lines, inside, method=b'GET')


# --- Content-Length -------------------------------------------------------------------------------

def lengths(n):
    """Values that may or may not mean n."""
    for form in (
            '+@', '-@', '--@', '0@', '0000000000000000000000000000000000@', '@.0', '@.', '.@',
            '@e0', '@,', ',@', '@,@', '@, @', '@, 0', '0, @', '@,0,@', '@ 0', '0 @', '@ @', '\t@',
            '@\t', '  @  ', '0x@', '@h', '@;', '@; x', '@;q=1', '"@"', "'@'", '(@)', '@(x)', '@\0',
            '\0@', '@\0x', '@\v', '\v@', '\f@', '@\f', '@\xa0', '\xa0@', '@\1', '@\x7f', '@\x80',
            '@\r', '\r@', '@\r0', '@\r\n ', '\r\n @', '@\r\n 0', '0\r\n @', '@\n ', '@x', 'x@',
            '@%', '@\\', '@#', '@:', ':@', '@=', '@/1', '*@', '@ bytes', 'bytes=@', '\xef\xbb\xbf@',
            '@\xb2',
    ):
        yield shown(form.encode('latin-1')), form.replace('@', str(n)).encode('latin-1')
    for form in '0x%x', '0X%X', '%x', '0%o', '0o%o':
        yield form, (form % n).encode()
    text = str(n)
    yield 'underscore inside', (text[0] + '_' + text[1:]).encode()
    yield 'blank inside', (text[0] + ' ' + text[1:]).encode()
    yield 'comma inside', (text[0] + ',' + text[1:]).encode()
    yield 'NUL inside', (text[0] + '\0' + text[1:]).encode()
    yield 'digits of another script', ''.join(chr(0x660 + int(d)) for d in text).encode()
    yield 'wide digits', ''.join(chr(0xff10 + int(d)) for d in text).encode()
    for bits in 8, 16, 31, 32, 63, 64, 65, 128:
        yield '2^%d more' % bits, b'%d' % (2 ** bits + n)
    yield '2^32 less', b'%d' % (n - 2 ** 32)
    yield '2^64 less', b'%d' % (n - 2 ** 64)
    for word in (
            b'', b' ', b'x', b'NaN', b'null', b'-1', b'-0', b'+0', b'0x0', b'00', b'0.0',
            b'18446744073709551615', b'9' * 40,
    ):
        yield 'value ' + shown(word), word


REPEATED_LENGTHS = (
    '@|@', '@|0', '0|@', '@|', '|@', '@|@|@', '@|@, @', '@|x', 'x|@', '@|0@', '@|+@', '0|0', '-1|@',
    '@|-1',
)


def content_lengths():
    n, inside = len(SMUGGLED), EMPTY + SMUGGLED
    for name, value in lengths(n):
        lines = b'Content-Length: ' + value + b'\r\n'
        yield 'alone: ' + name, request(lines, SMUGGLED)
        yield 'after 0: ' + name, request(length(0) + lines, SMUGGLED)
    for name, value in lengths(len(inside)):
        yield ('beside chunked: ' + name,
               request(b'Content-Length: ' + value + b'\r\n' + CHUNKED, inside))
    for form in REPEATED_LENGTHS:
        values = form.replace('@', str(n)).split('|')
        yield ('lines ' + form,
               request(b''.join(b'Content-Length: %s\r\n' % v.encode() for v in values), SMUGGLED))
    for name, lines in hidden(b'Content-Length', b'%d' % n):
        yield 'hidden: ' + name, request(lines, SMUGGLED)
        yield 'hidden after 0: ' + name, request(length(0) + lines, SMUGGLED)
    for name, lines in list(hidden(b'Content-Length', b'0')):
        yield 'hidden 0 before: ' + name, request(lines + length(n), SMUGGLED)
    yield 'other case twice', request(b'content-length: %d\r\nCONTENT-LENGTH: 0\r\n' % n, SMUGGLED)


# --- Lines ----------------------------------------------------------------------------------------

ENDS = (
    b'\n', b'\r', b'\r\r\n', b'\n\r', b'\n\n', b'\r\n\r', b' \r\n', b'\t\r\n', b'\x00\r\n', b'\x0b',
    b'\x0c', b'\x85', b'\x00', b'\x1c', b'\xe2\x80\xa8', b'\\r\\n', b'',
)
HEAD_ENDS = (
    b'\n\n', b'\r\n\n', b'\n\r\n', b'\r\r', b'\r\r\n', b'\r\n\r', b'\n\r', b'\r\n\r\r\n',
    b'\r\r\n\r\n', b'\r\n \r\n', b'\r\n\t\r\n', b'\r\n\x00\r\n', b'\r\n\x0b\r\n', b'\r\n\r\x00\n',
    b'\n\r\n\r\n', b'\r\n\n\r\n', b'\r\n', b'\n', b'\x00\r\n\r\n',
)
BEFORE = (
    b'\r\n', b'\n', b'\r', b'\r\n\r\n', b'\n\n', b'\r\n' * 5, b' ', b'\t', b'\x00', b'\x0b',
    b'\xef\xbb\xbf', b'\r\n ', b'x\r\n', b'\x80', b'\r\r\n', b'\n\r\n', b'0\r\n\r\n', b'-',
    b'\x16\x03\x01',
)


def lines():
    n = length(len(SMUGGLED))
    for end in ENDS:
        yield ('end of the request line: ' + shown(end),
               b'POST /p-NNNNN HTTP/1.1' + end + HOST + n + b'\r\n' + SMUGGLED)
        yield 'end of the first header: ' + shown(end), request(n, SMUGGLED, host=HOST[:-2] + end)
        yield 'end of the last header: ' + shown(end), request(n[:-2] + end, SMUGGLED)
        yield 'end of a coding: ' + shown(end), request(CHUNKED[:-2] + end, EMPTY + SMUGGLED)
        yield 'end of a header before a length: ' + shown(end), request(b'X: y' + end + n, SMUGGLED)
        yield 'everywhere: ' + shown(end), request(n, SMUGGLED).replace(b'\r\n', end)
    for end in HEAD_ENDS:
        head = b'POST /p-NNNNN HTTP/1.1\r\n' + HOST + n[:-2]
        yield 'end of the head: ' + shown(end), head + end + SMUGGLED
        yield ('end of a head without a body: ' + shown(end),
               b'GET /p-NNNNN HTTP/1.1\r\n' + HOST[:-2] + end + SMUGGLED)
        yield ('end of the head, then a header: ' + shown(end),
               head[:-len(n) + 2] + b'X: y' + end + n + b'\r\n' + SMUGGLED)
    for start in BEFORE:
        yield 'before the request: ' + shown(start), start + request(n, SMUGGLED)
        yield 'between requests: ' + shown(start), request(length(5), b'hello') + start + SMUGGLED
        yield 'behind a chunked body: ' + shown(start), request(CHUNKED, HELLO) + start + SMUGGLED
        yield 'before the first header: ' + shown(start), request(n, SMUGGLED, host=start + HOST)


# --- The request line -----------------------------------------------------------------------------

VERSIONS = (
    b'HTTP/1.0', b'HTTP/1.2', b'HTTP/1.9', b'HTTP/1.10', b'HTTP/1.01', b'HTTP/01.1', b'HTTP/1.',
    b'HTTP/1', b'HTTP/.1', b'HTTP/1,1', b'HTTP/+1.1', b'HTTP/1.+1', b'HTTP/ 1.1', b'HTTP /1.1',
    b'http/1.1', b'Http/1.1', b'HTTP/2.0', b'HTTP/2', b'HTTP/0.9', b'HTTP/3.0', b'HTTP/9.9',
    b'HTTPS/1.1', b'HTTP\\1.1', b'HTTP/1.1 ', b'HTTP/1.1\t', b'HTTP/1.1 x', b'HTTP/1.1 HTTP/1.1',
    b'HTTP/1.1\x00', b'HTTP/1.1\x0b', b'XHTTP/1.1', b'HTTP//1.1', b'HTTP/1.-1', b'HTTP/-1.1',
    b'HTTP/1.1.1', b'HTTP/11', b'HTTP/1.1;', b'ICY/1.1', b'RTSP/1.0', b'', b'HTTP', b'HTTP/1.1\r',
    b'\tHTTP/1.1', b' HTTP/1.1', b'HTTP/1.\xb2', b'HTTP/1x1', b'HTTP/4294967297.1',
    b'HTTP/1.4294967297', b'HTTP/0.0', b'/smuggled HTTP/1.1', b'HTTP/1.0 HTTP/1.1',
)
TARGETS = (
    b'/p\x00', b'/p\x01', b'/p\x7f', b'/p\x80', b'/p#x', b'/p#', b'/p%00', b'/p%0d%0aX:%20y',
    b'/p%20x', b'/p%23', b'/p%3f', b'/p x', b'/p\tx', b'/p\x0bx', b'/p\rx', b'\\p', b'p', b'//p',
    b'///p', b'/./p', b'/x/../p', b'/../p', b'/p?q', b'/p?', b'/p?q?r', b'/p?q#x', b'?p', b'#',
    b'*', b'/*', b'', b'/p;x=y', b'/p|', b'/p"', b'/p<x>', b'/p{x}', b'/p^', b'/p`', b'/%', b'/%zz',
    b'/%2', b'/p%u0041', b'/p\xc3\xa9', b'http://weft.test/p', b'HTTP://weft.test/p',
    b'https://weft.test/p', b'ftp://weft.test/p', b'http:/p', b'http:///p', b'http://weft.test',
    b'http://weft.test?x', b'http://user@weft.test/p', b'http://weft.test:80/p',
    b'http://weft.test:/p', b'http://weft.test:99999/p', b'http://weft.test:x/p', b'http://[::1]/p',
    b'http://[::1/p', b'http://weft test/p', b'http://other.test/p',
    b'http://other.test@weft.test/p', b'http://weft.test#/p', b'http://weft.test\\p',
    b'http://weft.test%2f@x/p', b'//weft.test/p', b'weft.test:80', b'weft.test', b'javascript:p',
    b'x:/p', b'/http://weft.test/p', b'@weft.test/p', b':80/p', b'/p HTTP/1.0', b'/' + b'p' * 4000,
)
METHODS = (
    b'get', b'Get', b'G\x00ET', b'GE:T', b'G(ET', b'"GET"', b'GET,', b'XGET', b'PRI', b'TRACK',
    b'TRACE', b'OPTIONS', b'', b'\x00GET', b'GET\x00', b'\tGET', b'GET\t', b'GET\x0b', b'GET\xa0',
    b'G\xc3\x89T', b'GET/', b'GET ', b'CONNECT', b'POST POST', b'G-E.T', b"!#$%&'*+^_`|~",
    b'M-SEARCH', b'HTTP/1.1', b'1', b'A' * 300,
)


def request_lines():
    n, inside = length(len(SMUGGLED)), EMPTY + SMUGGLED
    for version in VERSIONS:
        yield 'version %s with a length' % shown(version), request(n, SMUGGLED, version=version)
        yield ('version %s with a coding' % shown(version),
               request(CHUNKED + KEEP, inside, version=version))
        yield ('version %s with nothing' % shown(version),
               request(b'', SMUGGLED, method=b'GET', version=version))
    for target in TARGETS:
        yield ('target ' + shown(target[:40]),
               request(n, SMUGGLED, target=target.replace(b'p', b'p-NNNNN', 1)))
    for target in (
            b'http://other.test/p', b'http://weft.test:80/p', b'http:///p', b'https://other.test/p',
    ):
        for name, host in (
                ('no', b''), ('an empty', b'Host:\r\n'),
                ('a second', HOST + b'Host: other.test\r\n'),
        ):
            yield ('target %s and %s Host' % (shown(target), name),
                   request(n, SMUGGLED, host=host, target=target))
    for method in METHODS:
        yield 'method %s with a length' % shown(method[:20]), request(n, SMUGGLED, method=method)
        yield ('method %s with a coding' % shown(method[:20]),
               request(CHUNKED, inside, method=method))
    for gap in (
            b'  ', b'\t', b' \t', b'\x0b', b'\x0c', b'\xa0', b'\r', b'\x00', b'\n', b'\r\n ', b'',
            b'+', b'%20', b'\x1c',
    ):
        yield 'before the target ' + shown(gap), b'POST' + gap + request(n, SMUGGLED)[5:]
        yield ('before the version ' + shown(gap),
               request(n, SMUGGLED).replace(b' HTTP/1.1', gap + b'HTTP/1.1', 1))
        yield 'behind the version ' + shown(gap), request(n, SMUGGLED, version=b'HTTP/1.1' + gap)
    for line in (
            b'GET /p-NNNNN\r\n', b'GET /p-NNNNN\n', b'GET /p-NNNNN \r\n', b'GET /p-NNNNN\r\n\r\n',
            b'GET\r\n\r\n', b'GET / HTTP/1.1 /x HTTP/1.1\r\n', b'/p-NNNNN\r\n\r\n',
            b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
            b'CONNECT weft.test:80 HTTP/1.1\r\n' + HOST + b'\r\n',
            b'CONNECT weft.test:80 HTTP/1.1\r\n' + HOST + n + b'\r\n',
            b'OPTIONS * HTTP/1.1\r\n' + HOST + b'\r\n',
            b'OPTIONS * HTTP/1.1\r\n' + HOST + n + b'\r\n', b'GET * HTTP/1.1\r\n' + HOST + b'\r\n',
            b'PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET /p-NNNNN HTTP/1.1\r\n' + HOST + b'\r\n',
    ):
        yield 'line ' + shown(line[:30]), line + SMUGGLED


# --- Host -----------------------------------------------------------------------------------------

HOSTS = (
    b'', b' ', b'weft.test, other.test', b'weft.test other.test', b'weft.test\tx', b'weft.test\x00',
    b'weft.test\x0b', b'weft.test\x7f', b'user@weft.test', b'weft.test/p', b'weft.test?x',
    b'weft.test#x', b'weft.test:80', b'weft.test:', b'weft.test:x', b'weft.test:99999',
    b'weft.test:-1', b'weft.test:80:80', b':80', b'[::1]', b'[::1', b'::1', b'[::1]x', b'[v1.x]',
    b'http://weft.test', b'"weft.test"', b'weft.test\r\n x', b'weft.test\\x', b'w%65ft.test',
    b'weft.test%00', b'w\xc3\xa9ft.test', b'weft_test', b'-', b'.', b'*', b'<weft>', b'weft|test',
    b'WEFT.TEST', b'weft.test.', b'weft;test', b'a' * 300, b'weft.test;x=y', b'weft{test',
    b"weft'test", b'(weft)', b'127.0.0.1', b'0',
)


def hosts():
    n = length(len(SMUGGLED))
    for value in HOSTS:
        yield 'value ' + shown(value[:30]), request(n, SMUGGLED, host=b'Host: ' + value + b'\r\n')
    for name, more in (
            ('none', b''), ('two', HOST + HOST), ('two different', HOST + b'Host: other.test\r\n'),
            ('second empty', HOST + b'Host:\r\n'), ('first empty', b'Host:\r\n' + HOST),
            ('two cases', HOST + b'HOST: other.test\r\n'), ('three', HOST * 3),
            ('apart', HOST + b'X: y\r\n' + HOST), ('behind the others', b'X: y\r\n' + HOST),
    ):
        yield name, request(n, SMUGGLED, host=more)
        yield (name + ' in 1.0',
               request(n + KEEP, SMUGGLED, host=more, version=b'HTTP/1.0'))
    for name, more in hidden(b'Host', b'other.test'):
        yield 'hidden: ' + name, request(n, SMUGGLED, host=more)
        yield 'hidden second: ' + name, request(n, SMUGGLED, host=HOST + more)


# --- Chunks ---------------------------------------------------------------------------------------

SIZES = (
    b'5', b'05', b'0' * 30 + b'5', b'+5', b'-5', b'0x5', b'0X5', b'5 ', b' 5', b'5\t', b'\t5',
    b'5\x0b', b'\x0b5', b'5\x0c', b'5\x00', b'\x005', b'5\xa0', b'\xa05', b'5.', b'5.0', b'5,',
    b'5,5', b'5_', b'0_5', b'"5"', b"'5'", b'5h', b'5g', b'5L', b'5u', b'5x', b'5:', b'5#', b'5=',
    b'5/', b'(5)', b'5 5', b'5 x', b'5  ', b'', b' ', b'x', b'five', b'5\x80', b'\xd9\xa5',
    b'5\xb2', b'5;', b'5;a', b'5;a=b', b'5; a=b', b'5 ;a=b', b'5\t;a=b', b'5;a=b;c=d', b'5;a="b"',
    b'5;a="b;c"', b'5;a="b', b'5;a=b"', b'5;a="\\""', b'5;a = b', b'5;;', b'5;=', b'5;a=', b'5;=b',
    b'5;a=b c', b'5;a b', b'5;\x00', b'5;a\x00b', b'5;\x01', b'5;\x7f', b'5;\xff', b'5;a="\xff"',
    b'5;a="\x01"', b'5;,', b'5;(x)', b'5;a:b', b'5;a=b,c', b'5 a=b', b'5,a=b', b'5;' + b'a' * 300,
    b'5;' + b'a' * 5000, b'5;' + b'a=b;' * 200, b'5;a=b ', b'5;a=b\t', b'5;a="b" ', b'5;a="\r\nx"',
    b'5;a="\nx"', b'5;\rx', b'5;a\r', b'5\r', b'5;\r\n x', b'5\r\n ;a', b'5;a=\xe2\x80\xa8',
)
BIG_SIZES = tuple(b'%x' % (2 ** bits + 5) for bits in (16, 31, 32, 63, 64, 65, 128)) + (
    b'f' * 8, b'f' * 16, b'f' * 17, b'7' + b'f' * 15, b'8' + b'0' * 15, b'-' + b'f' * 16,
    b'100000005', b'00000000100000005')
LAST_SIZES = (
    b'0', b'00', b'0' * 30, b'0 ', b' 0', b'0\t', b'0;a', b'0;a=b', b'0;', b'0x0', b'+0', b'-0',
    b'0\x00', b'0\x0b', b'', b'0 0', b'0;a="', b'0.0', b'0h', b'0\r', b'0,', b'0;a\x00', b'0' * 300,
    b'0;a="\r\n"', b'g', b'0_0',
)
TRAILERS = (
    b'X: y\r\n', b'X:\r\n', b'X : y\r\n', b'X\r\n', b': y\r\n', b' X: y\r\n', b'\tX: y\r\n',
    b'X: y\n', b'X: y\r', b'X: y\r\r\n', b'X: y\r\n z\r\n', b'X\x00: y\r\n', b'X: \x00\r\n',
    b'X: \x01\r\n', b'X: \xff\r\n', b'X\xff: y\r\n', b'X y\r\n', b'X: y\r\nX: y\r\n',
    b'Content-Length: 5\r\n', b'Content-Length: %d\r\n' % len(SMUGGLED), b'content-length: 0\r\n',
    b'Transfer-Encoding: chunked\r\n', b'Transfer-Encoding: identity\r\n', b'Host: other.test\r\n',
    b'Connection: close\r\n', KEEP, b'Trailer: X\r\n',
    b'Expect: 100-continue\r\n', b'Upgrade: h2c\r\n', b'Authorization: x\r\n',
    b'GET /smuggled-NNNNN HTTP/1.1\r\n', b'GET /smuggled-NNNNN HTTP/1.1\r\nHost: weft.test\r\n',
    b'0\r\n', b'5\r\nhello\r\n', b'X: ' + b'y' * 5000 + b'\r\n', b'X: y\r\n' * 90,
    b'X: y\r\n' * 200, b'X: y\r\n' + b'Y' * 9000 + b': z\r\n', b'"X": y\r\n', b'X: y;\x0b\r\n',
    b'X\r\n: y\r\n', b'X\n: y\r\n', b'\x00\r\n', b'\x0b\r\n', b' \r\n', b'\n', b'\r',
    b'HTTP/1.1 200 OK\r\n',
)


def split_views(first):
    """A chunk whose first line ends in two ways: some readers come to a chunk that holds all the
    rest, others to SMUGGLED, whose own body holds what the first take for the end."""
    tail = b'\r\n0\r\n\r\n'
    inner = EMPTY + SMUGGLED[:-2] + length(len(tail)) + b'\r\n'
    assert 0x10 <= len(inner) <= 0xff
    return first + b'%02x\r\n' % len(inner) + inner + tail


def chunks():
    def chunked(body, fields=CHUNKED):
        return request(fields, body)
    for size in SIZES + BIG_SIZES:
        yield 'size ' + shown(size[:40]), chunked(size + b'\r\nhello\r\n' + EMPTY)
        yield ('second size ' + shown(size[:40]),
               chunked(b'1\r\nx\r\n' + size + b'\r\nhello\r\n' + EMPTY + SMUGGLED))
    for size in LAST_SIZES:
        yield ('last size ' + shown(size[:40]),
               chunked(b'5\r\nhello\r\n' + size + b'\r\n\r\n' + SMUGGLED))
        yield 'only size ' + shown(size[:40]), chunked(size + b'\r\n\r\n' + SMUGGLED)
    for end in ENDS:
        yield 'end of a size: ' + shown(end), chunked(b'5' + end + b'hello\r\n' + EMPTY + SMUGGLED)
        yield ('end of an extension: ' + shown(end),
               chunked(b'5;a' + end + b'hello\r\n' + EMPTY + SMUGGLED))
        yield 'end of data: ' + shown(end), chunked(b'5\r\nhello' + end + EMPTY + SMUGGLED)
        yield ('end of the last size: ' + shown(end),
               chunked(b'5\r\nhello\r\n0' + end + b'\r\n' + SMUGGLED))
        yield 'end of the body: ' + shown(end), chunked(b'5\r\nhello\r\n0\r\n' + end + SMUGGLED)
        yield ('end of a trailer: ' + shown(end),
               chunked(b'5\r\nhello\r\n0\r\nX: y' + end + b'\r\n' + SMUGGLED))
        yield 'all ends: ' + shown(end), chunked(HELLO.replace(b'\r\n', end) + SMUGGLED)
        for start in b'2', b'2;', b'2;a', b'2;a="', b'2 ':
            yield ('two views of a size %s and %s' % (shown(start), shown(end)),
                   chunked(split_views(start + end + b'xx\r\n')))
    for spill in (
            b'x\r\n', b'xx', b'\rx', b'x\n', b'xy\r\n', b'\x00\x00', b'  ', b'\r\n\r\n', b'\n\n',
            b'\r\r', b'\r', b'\n', b'',
    ):
        yield 'behind data ' + shown(spill), chunked(b'5\r\nhello' + spill + EMPTY + SMUGGLED)
        yield ('two views behind data ' + shown(spill),
               chunked(split_views(b'5\r\nhello' + spill + b'2\r\n')))
    for trailer in TRAILERS:
        yield ('trailer ' + shown(trailer[:40]),
               chunked(b'5\r\nhello\r\n0\r\n' + trailer + b'\r\n' + SMUGGLED))
    for name, line in list(hidden(b'X', b'y')):
        yield 'trailer hidden ' + name, chunked(b'5\r\nhello\r\n0\r\n' + line + b'\r\n' + SMUGGLED)
    for cut in (
            b'5\r\nhel', b'5\r\nhello', b'5\r\nhello\r\n', b'5\r\nhello\r\n0\r\n', b'5', b'',
            b'5\r', b'5;', b'ffff\r\nhello\r\n', b'0',
    ):
        yield 'cut off behind ' + shown(cut), chunked(cut)
    for body in (
            b'5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n', b'0\r\n\r\n0\r\n\r\n',
            b'0\r\n\r\n5\r\nhello\r\n0\r\n\r\n', b'\r\n5\r\nhello\r\n0\r\n\r\n',
            b'5\r\nhello\r\n\r\n0\r\n\r\n', b'1\r\nh\r\n' * 200 + EMPTY,
    ):
        yield 'body ' + shown(body[:40]), chunked(body + SMUGGLED)


# --- The rest -------------------------------------------------------------------------------------

def bodies():
    """Methods that seldom have a body, and versions in which they are framed otherwise."""
    inside = EMPTY + SMUGGLED
    for method in b'GET', b'HEAD', b'DELETE', b'OPTIONS', b'TRACE', b'PUT', b'PATCH', b'POST':
        for version in b'HTTP/1.1', b'HTTP/1.0':
            for name, fields, body in (
                    ('a length', length(len(SMUGGLED)), SMUGGLED), ('a coding', CHUNKED, HELLO),
                    ('a coding around it', CHUNKED, inside),
                    ('both', length(len(inside)) + CHUNKED, inside),
                    ('length 0', length(0), SMUGGLED), ('no framing', b'', SMUGGLED),
                    ('a length and keep-alive', length(len(SMUGGLED)) + KEEP, SMUGGLED),
                    ('a length and close', length(len(SMUGGLED)) + CLOSE, SMUGGLED),
                    ('a length that is more', length(100000), SMUGGLED),
                    ('a length that is less', length(len(SMUGGLED) - 1), SMUGGLED),
            ):
                yield ('%s %s with %s' % (method.decode(), version.decode(), name),
                       request(fields, body, method=method, version=version))


EXPECTS = (
    b'100-continue', b'100-Continue', b'100-CONTINUE', b'100-continue, x', b'x, 100-continue', b'x',
    b'', b'100', b'100 continue', b'100-continue;q=1', b'"100-continue"', b'200-ok',
    b'100-continue\x00', b'\x00100-continue', b'y 100-continue', b'100-continue\r\n x', b'417-x',
)
CONNECTIONS = (
    b'Content-Length', b'Transfer-Encoding', b'close, Content-Length',
    b'keep-alive, Transfer-Encoding', b'Host', b'Connection', b'close', b'Close',
    b'close, keep-alive', b'keep-alive, close', b'keep-alive', b'clos', b'close\x00', b'"close"',
    b'', b',', b'close;x', b'x, close', b'close,', b'\x0bclose', b'close x', b'Upgrade', b'TE',
    b'Content-Length, Host', b'Expect', b'Cookie, Content-Length',
    b'keep-alive\r\nConnection: close', b'close\r\nConnection: keep-alive',
    b'close\r\nConnection: Content-Length', b'X-From', b'te, content-length', b'x' * 3000,
)
UPGRADES = (
    b'h2c', b'h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA', b'websocket',
    b'WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    b'websocket\r\nSec-WebSocket-Version: 1', b'TLS/1.0', b'x', b'', b'HTTP/2.0', b'h2c, websocket',
    b'HTTP/1.0', b'connect-udp',
)


def hop_by_hop():
    n, inside = length(len(SMUGGLED)), EMPTY + SMUGGLED
    for value in EXPECTS:
        line = b'Expect: ' + value + b'\r\n'
        yield 'Expect %s with a length' % shown(value), request(n + line, SMUGGLED)
        yield 'Expect %s with a coding' % shown(value), request(CHUNKED + line, HELLO)
        yield ('Expect %s with both' % shown(value),
               request(length(len(inside)) + CHUNKED + line, inside))
        yield 'Expect %s in GET' % shown(value), request(line, SMUGGLED, method=b'GET')
        yield ('Expect %s in 1.0' % shown(value),
               request(n + line + KEEP, SMUGGLED, version=b'HTTP/1.0'))
    for value in CONNECTIONS:
        line = b'Connection: ' + value + b'\r\n'
        yield 'Connection %s with a length' % shown(value[:40]), request(n + line, SMUGGLED)
        yield 'Connection %s with a coding' % shown(value[:40]), request(CHUNKED + line, inside)
        yield ('Connection %s with both' % shown(value[:40]),
               request(line + length(len(inside)) + CHUNKED, inside))
    for name, line in hidden(b'Connection', b'close'):
        yield 'hidden close: ' + name, request(n + line, SMUGGLED)
    for value in UPGRADES:
        line = b'Connection: Upgrade\r\nUpgrade: ' + value + b'\r\n'
        yield 'Upgrade %s in GET' % shown(value[:20]), request(line, SMUGGLED, method=b'GET')
        yield 'Upgrade %s with a length' % shown(value[:20]), request(n + line, SMUGGLED)
        yield 'Upgrade %s with a coding' % shown(value[:20]), request(CHUNKED + line, inside)
    for line in (
            b'Proxy-Connection: close\r\n', b'Keep-Alive: timeout=0\r\n',
            b'X-HTTP-Method-Override: PUT\r\n',
            b'Content-Type: multipart/byteranges; boundary=x\r\n',
            b'Content-Range: bytes 0-1/5\r\n', b'Range: bytes=0-1\r\n', b'Max-Forwards: 0\r\n',
            b'TE: trailers\r\n', b'Trailer: Content-Length\r\n', b'Content-Encoding: gzip\r\n',
            b'Content-MD5: x\r\n', b'Via: 1.0 x\r\n', b'Sec-WebSocket-Key1: x\r\n',
    ):
        yield 'beside %s' % shown(line[:-2]), request(n + line, SMUGGLED)


def limits():
    n = length(len(SMUGGLED))
    for count in 98, 99, 100, 101, 128, 200, 1000:
        yield 'length behind %d headers' % count, request(b'X: y\r\n' * count + n, SMUGGLED)
    for size in 1000, 8000, 8192, 16384, 32768, 65536, 70000:
        yield ('length behind a value of %d' % size,
               request(b'X: ' + b'y' * size + b'\r\n' + n, SMUGGLED))
        yield 'length behind a name of %d' % size, request(b'x' * size + b': y\r\n' + n, SMUGGLED)
        yield 'target of %d' % size, request(n, SMUGGLED, target=b'/p-NNNNN' + b'p' * size)
        yield ('length with %d zeros' % size,
               request(b'Content-Length: ' + b'0' * size + b'%d\r\n' % len(SMUGGLED), SMUGGLED))
        yield ('length with %d blanks' % size,
               request(b'Content-Length: ' + b' ' * size + b'%d\r\n' % len(SMUGGLED), SMUGGLED))
        yield 'body of %d' % size, request(length(size + len(SMUGGLED)), SMUGGLED + b'x' * size)


# --- What everybody must read alike ---------------------------------------------------------------

def controls():
    """(name, data, what is read): if a server reads one of these otherwise, it is set up badly."""
    post, last = (b'POST', b'/p-NNNNN', b'hello'), (b'GET', b'/last-NNNNN', b'')
    yield 'GET', request(method=b'GET'), [(b'GET', b'/p-NNNNN', b''), last]
    yield ('GET with a query',
           request(method=b'GET', target=b'/p-NNNNN?q=1'),
           [(b'GET', b'/p-NNNNN?q=1', b''), last])
    yield 'HEAD', request(method=b'HEAD'), [(b'HEAD', b'/p-NNNNN', b''), last]
    yield 'length', request(length(5), b'hello'), [post, last]
    yield 'length 0', request(length(0)), [(b'POST', b'/p-NNNNN', b''), last]
    yield 'length in other case', request(b'content-LENGTH:5\r\n', b'hello'), [post, last]
    yield ('a request for a body',
           request(length(len(SMUGGLED)), SMUGGLED),
           [(b'POST', b'/p-NNNNN', SMUGGLED), last])
    yield 'chunks', request(CHUNKED, HELLO), [post, last]
    yield ('three chunks',
           request(CHUNKED, b'2\r\nhe\r\n2\r\nll\r\n1\r\no\r\n0\r\n\r\n'),
           [post, last])
    yield ('chunk sizes in hex',
           request(CHUNKED, b'1A\r\n' + b'x' * 26 + b'\r\n' + EMPTY),
           [(b'POST', b'/p-NNNNN', b'x' * 26), last])
    yield ('three requests',
           request(length(5), b'hello') + SMUGGLED,
           [post, (b'GET', b'/smuggled-NNNNN', b''), last])
    yield ('PUT',
           request(length(5), b'hello', method=b'PUT'),
           [(b'PUT', b'/p-NNNNN', b'hello'), last])


FAMILIES = (
    transfer_encodings, content_lengths, lines, request_lines, hosts, chunks, bodies, hop_by_hop,
    limits,
)


def build():
    """All payloads, numbered; equal ones only once."""
    seen, built = set(), []
    def add(name, data, reads=None):
        if data not in seen:
            seen.add(data)
            number = b'%05d' % len(built)
            reads = reads and [tuple(part.replace(NUMBER, number) for part in r) for r in reads]
            built.append(Payload(len(built), name, (data + LAST).replace(NUMBER, number), reads))
    for name, data, reads in controls():
        add('control: ' + name, data, reads)
    for family in FAMILIES:
        for name, data in family():
            add(family.__name__.replace('_', ' ') + ': ' + name, data)
    return built


if __name__ == '__main__':
    for payload in build():
        print(payload.number, payload.name, shown(payload.data))
