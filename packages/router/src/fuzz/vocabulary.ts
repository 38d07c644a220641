/**
 * The words that streams are made of: those that are right, and those that have broken parsers. Latin-1 text; a wrong line
 * may hold a line end.
 */

export const METHODS = [
  'GET',
  'GET',
  'GET',
  'POST',
  'POST',
  'POST',
  'PUT',
  'HEAD',
  'DELETE',
  'PATCH',
  'OPTIONS',
]
export const ODD_METHODS = ['PROPFIND', 'M-SEARCH', 'QUERY', 'FOO', 'get', 'PRI', "A!#$%&'*+.^_`|~9"]
export const WRONG_METHODS = ['CONNECT', 'TRACE', '', 'G(T', 'GET\t', ' GET', 'X'.repeat(33), '\xff']

export const TARGETS = [
  ...['/', '/', '/a/b?c=d&e', '/%00%zz', '//double', '/a?http://x/', '/t/acme/orders', '/;,@:"<>[]\\^`{|}~'],
]
export const URLS = ['http://b.test/x', 'http://b.test', 'https://[::1]:8443?q', 'http://b.test:80/?a=/b']
export const WRONG_TARGETS = [
  ...[
    '',
    '*',
    'a',
    '/a b',
    '/#f',
    '/\xe9',
    '/\x00',
    'http:///x',
    'http://u@h/',
    'ftp://h/',
    'HTTP://h/',
    '?q',
  ],
]

export const WRONG_VERSIONS = [
  ...['HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9', 'http/1.1', 'HTTP/1.1 ', 'HTTP/11', 'HTTP/1.', 'HTTP/1.10', ''],
]

export const HOSTS = ['Host: a.test', 'host: a.test:8080', 'HOST:a.test', 'Host:\t [::1]:80 ']
export const WRONG_HOSTS = [
  ...['', 'Host:', 'Host: a b', 'Host : a', 'Host: a@b', 'Host: a\r\nHost: a', 'Host: \xe9', 'Ho\x00st: a'],
]

export const LINES = [
  ...[
    'Accept: */*',
    'User-Agent: fuzz/1',
    'X-Empty:',
    'X-Blank: \t ',
    'X-Text: \xe9\xff \x80',
    'Cookie: a=b; c=d',
  ],
  ...[
    'x-tenant: acme',
    'X-Tenant: other',
    'x_tenant: forged',
    'Authorization: Bearer x',
    'Idempotency-Key: k',
  ],
  ...[
    'Connection: close',
    'Connection: keep-alive',
    'connection: Keep-Alive, x-drop',
    'X-Drop: 1',
    'x-Drop: 2',
  ],
  ...['Connection: host, content-length, x-tenant', 'Connection: close, keep-alive', 'Connection: ,'],
  ...['Connection: Upgrade', 'Upgrade: websocket', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'],
  ...['Keep-Alive: timeout=5', 'Proxy-Connection: keep-alive', 'Proxy-Connection: close', 'TE: trailers'],
  ...['Expect: 100-continue', 'Expect: 100-Continue', 'Proxy-Authorization: Basic eA==', 'Trailer: X-Sum'],
  ...['Cellplane-Tenant: victim', 'cellplane_secret: guess', 'Cellplane-: x', 'X-Forwarded-For: 9.9.9.9'],
  ...['x_forwarded_proto: https', 'X-Forwarded-Evil: 1', 'Forwarded: for=9.9.9.9', 'X-Request-Id: mine'],
  ...['x-request-id: a\tb', 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ...['tracestate: a=b', 'x-cell: cell-1', 'content_length: 99', 'transfer_encoding: chunked', 'X: a:b::c'],
]

/** Each has broken some parser. */
export const WRONG_LINES = [
  ...['Content-Length: 3, 3', 'Content-Length: +3', 'Content-Length: -1', 'Content-Length: 3\t'],
  ...[
    'Content-Length: 00003',
    'Content-Length:',
    'Content-Length: 3 ',
    'Content-Length: 3;',
    'Content-Length: 3 3',
  ],
  ...['Content-Length: 18446744073709551616', 'Content-Length: 99999999999999999', 'Content-Length : 3'],
  ...[
    'Content-Length: 0x3',
    'Content-Length: 3\r\nContent-Length: 3',
    'Content-Length: 3\r\nContent-Length: 4',
  ],
  ...['Transfer-Encoding: chunked', 'Transfer-Encoding: Chunked', 'Transfer-Encoding: chunked, chunked'],
  ...['Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: identity', 'Transfer-Encoding: xchunked'],
  ...['Transfer-Encoding: chunked\t', 'Transfer-Encoding: chunked ', 'Transfer-Encoding:\x0bchunked'],
  ...['Transfer-Encoding: chunked;q=1', 'Transfer-Encoding:', 'Transfer-Encoding:\r\n chunked'],
  ...[
    'Transfer-Encoding : x',
    'Transfer\x00-Encoding: chunked',
    ' folded: 1',
    '\tfolded',
    'no colon',
    ': no name',
  ],
  ...[
    'sp ace: 1',
    'X: a\rb',
    'X: a\nb',
    'X: \x00',
    'X: \x7f',
    'X: \x0b',
    'b\xe4d: 1',
    '(: 1',
    '"q": 1',
    'a=b',
    '\r',
  ],
  ...['Upgrade: a\r\nUpgrade: b', 'Expect: 200-ok', 'Connection: close\t', 'Connection: \xa0close'],
  ...['Connection: keep-alive\xa0', 'x-tenant: a\r\nx-tenant: b'],
]

export const WRONG_SIZES = [
  ...[
    '',
    '+3',
    '-1',
    '0x3',
    ' 3',
    '3 ',
    '3;a=b',
    '3;a="\r\n"',
    'g',
    '3\t',
    'fffffffffffffffff',
    '10000000000000000',
  ],
]
export const WRONG_LAST_SIZES = ['00', '000000000000000', '', '0;x', '0 ']
export const TRAILERS = [
  ...[
    'X-Sum: 1',
    'x-empty:',
    'Content-Length: 5',
    'Host: evil',
    'x_request_id: 1',
    'Cellplane-Cell: c',
    'Cookie: a',
  ],
]

export const STATUSES = [
  ...[
    '200 OK',
    '200 OK',
    '200',
    '201 ',
    '204 No Content',
    '304 Not Modified',
    '404 N\xe4',
    '500 \t x',
    '302 Found',
  ],
]
export const WRONG_STATUSES = [
  ...['099 X', '600 X', '20 OK', '2000 OK', '2OO OK', '200\tOK', '200 O\x00K', ' 200 OK', '-20 X'],
]
export const INTERIMS = ['100 Continue', '102 Processing', '103 Early Hints', '103', '110 ?', '199 ?']

export const ANSWER_LINES = [
  ...[
    'Content-Type: text/plain',
    'Server: x',
    'Set-Cookie: a',
    'X-Empty:',
    'Connection: close',
    'Keep-Alive: a',
  ],
  ...['Connection: x-drop, content-length', 'X-Drop: 1', 'Upgrade: h2c', 'Cellplane-Secret: s', 'Link: </a>'],
  ...['x_request_id: 1', 'X-Request-Id: c', 'Trailer: X-Sum', 'content_length: 4', 'X-Forwarded-For: 1'],
  ...[
    'Connection: keep-alive',
    'Connection: Content-Type',
    'Proxy-Authenticate: Basic',
    'Proxy-Connection: close',
  ],
]

export const INTERIM_LINES = [
  ...['Link: </a>', 'X-Drop: 1', 'Connection: x-drop', 'Connection: Upgrade', 'Connection: Upgrade, X-Drop'],
  ...['Content-Length: 0', 'Content-Length: 3', 'Cellplane-Secret: s', 'Server: x'],
]
