"""The servers that weft is compared with: how each is started and how it says what it has read.

A server that hands requests on is put before a Recorder, and what it sends there is what it has
read. The others run an application that notes each request (apps.py, app.js). Whom a request came
from is told by the client's address: each connection of the test has one of its own in 127/8, so
nothing in the request itself has to be trusted, however garbled it is.

Each runs from where tools/peers has unpacked it, in a folder and on a port of its own.
"""
import asyncio
import ctypes
import glob
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 20  # seconds: longer than a start or an end takes that does not hang
QUICK = 5      # … than the answer to a plain request
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


class Absent(Exception):
    """The server is not on this machine."""


def reserve_port():
    """A socket on a free port that nobody else is given while it is open. A server that sets
    SO_REUSEADDR, as all do, may listen on it all the same, because this one does not."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(('127.0.0.1', 0))
    return reserved


def user():
    """Whose rights a server that insists on giving up root's may take."""
    return pwd.getpwuid(os.getuid() or 65534).pw_name


def prepare():
    """In the child: it ends with us, and does not inherit what a background job ignores."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Recorder:
    """A backend that notes what is handed on to it, and answers each request with an empty 200."""

    def __init__(self):
        self.notes = []
        self.open = 0
        self.server = None
        self.port = 0

    async def start(self):
        self.server = await asyncio.start_server(self.client, '127.0.0.1', 0, limit=1 << 20)
        self.port = self.server.sockets[0].getsockname()[1]

    async def client(self, reader, writer):
        self.open += 1
        try:
            await self.request(reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # cut off: what stands noted has no body
        finally:
            self.open -= 1
            writer.close()

    async def request(self, reader, writer):
        head = await reader.readuntil(b'\r\n\r\n')
        line, *fields = head[:-4].decode('latin-1').split('\r\n')
        method, target = line.rsplit(' ', 1)[0].split(' ', 1)
        fields = [(name.lower(), value.strip()) for name, _, value in
                  (field.partition(':') for field in fields)]
        note = {'from': source_of(fields), 'method': method, 'target': target, 'body': None,
                'head': head.decode('latin-1')}
        self.notes.append(note)
        if ('expect', '100-continue') in [(name, value.lower()) for name, value in fields]:
            writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')
        body = await self.body(reader, dict(fields))
        note['body'] = body.decode('latin-1')
        writer.write(b'HTTP/1.1 200 OK\r\nNoted: 1\r\nContent-Length: 0\r\n'
                     b'Connection: close\r\n\r\n')
        writer.write_eof()
        note['body'] += (await reader.read()).decode('latin-1')  # more than it has announced

    @staticmethod
    async def body(reader, fields):
        if fields.get('transfer-encoding', '').lower() != 'chunked':
            return await reader.readexactly(int(fields.get('content-length', 0)))
        body = b''
        while size := int((await reader.readuntil(b'\r\n')).split(b';')[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        while await reader.readuntil(b'\r\n') != b'\r\n':
            pass
        return body


def source_of(fields):
    """The address of whom the server had it from: its own word is the last."""
    for wanted in 'x-from', 'x-forwarded-for', 'client-ip':
        for name, value in reversed(fields):
            if name == wanted:
                return value.split(',')[-1].strip()
    return None


class Peer:
    """A server. `program` is below the folder it was unpacked to."""
    name = program = None
    is_proxy = True
    ends_by = signal.SIGTERM

    def __init__(self, peers, folder):
        roots = (os.path.abspath(os.path.join(peers, self.name)), '/')
        self.root = next((r for r in roots if os.path.exists(os.path.join(r, self.program))), None)
        if not self.root:
            raise Absent(self.name)
        self.folder = os.path.join(folder, self.name)
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o777)  # some give up root's rights before they write here
        self.process = None
        self.recorder = Recorder() if self.is_proxy else None
        self.port = self.backend = 0
        self.reserved = None

    def at(self, path):
        return os.path.join(self.root, path)

    def here(self, path):
        return os.path.join(self.folder, path)

    def write(self, name, text):
        with open(self.here(name), 'w', encoding='utf-8') as file:
            file.write(text.format(port=self.port, backend=self.backend, folder=self.folder,
                                   root=self.root.rstrip('/'), user=user()))
        return self.here(name)

    def environment(self):
        places = ('lib/*-linux-gnu*', 'usr/lib/*-linux-gnu*', 'usr/lib/*-linux-gnu*/' + self.name,
                  'usr/lib/' + self.name)
        libraries = [folder for place in places for folder in glob.glob(self.at(place))]
        return {'PATH': os.environ['PATH'], 'HOME': self.folder, 'TMPDIR': self.folder,
                'LD_LIBRARY_PATH': ':'.join(libraries) if self.root != '/' else ''}

    async def start(self):
        if self.recorder and not self.backend:
            await self.recorder.start()
            self.backend = self.recorder.port
        self.reserved = reserve_port()
        self.port = self.reserved.getsockname()[1]
        self.launch()
        if not await self.is_ready():
            raise AssertionError('%s does not start:\n%s' % (self.name, self.errors()))

    def launch(self):
        with open(self.here('output'), 'ab') as output, open(self.here('errors'), 'ab') as errors:
            # pylint: disable-next=subprocess-popen-preexec-fn,consider-using-with
            self.process = subprocess.Popen(
                self.command(), cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
                stdout=output, stderr=errors, preexec_fn=prepare)

    async def is_ready(self):
        """Wait until it answers; false once it has ended."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not await asyncio.to_thread(self.ends_within, 0.02):
            if await self.answers():
                return True
        return False

    def ends_within(self, seconds):
        try:
            return self.process.wait(seconds) is not None
        except subprocess.TimeoutExpired:
            return False

    async def answers(self):
        """Whether it answers a request now."""
        try:
            return await asyncio.wait_for(self.ask(), QUICK)
        except (OSError, asyncio.TimeoutError):
            return False

    async def ask(self):
        reader, writer = await asyncio.open_connection('127.0.0.1', self.port)
        try:
            writer.write(b'GET /ready HTTP/1.1\r\nHost: weft.test\r\nConnection: close\r\n\r\n')
            return (await reader.read(12)).startswith(b'HTTP/1.1 200')
        finally:
            writer.close()

    def command(self):
        return [self.at(self.program), *self.options()]

    def options(self):
        raise NotImplementedError

    def errors(self):
        with open(self.here('errors'), encoding='utf-8', errors='replace') as file:
            return file.read()[-2000:]

    def end(self):
        """Ask it to end; stop() waits for that."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.ends_by)

    def stop(self):
        self.end()
        if self.process and not self.ends_within(QUICK):
            self.process.kill()
            self.process.wait()
        if self.reserved:
            self.reserved.close()

    def notes(self):
        """What it has read, in order, for each address."""
        notes = self.recorder.notes if self.recorder else self.lines()
        by_source = {}
        for note in notes:
            by_source.setdefault(note['from'], []).append(note)
        return by_source

    def lines(self):
        with open(self.here('output'), encoding='utf-8') as lines:
            return [json.loads(line) for line in lines]


class Nginx(Peer):
    name, program = 'nginx', 'usr/sbin/nginx'

    def options(self):
        return ['-e', 'stderr', '-p', self.folder, '-c', self.write('conf', '''
daemon off; master_process off; pid {folder}/pid; error_log stderr emerg;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_ignore_client_abort on;
            proxy_set_header X-From $remote_addr;
        }}
    }}
}}
''')]


class Apache(Peer):
    name, program = 'apache2', 'usr/sbin/apache2'

    def options(self):
        return ['-DFOREGROUND', '-d', self.folder, '-f', self.write('conf', '''
LoadModule mpm_event_module {root}/usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module {root}/usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module {root}/usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module {root}/usr/lib/apache2/modules/mod_proxy_http.so
LoadModule headers_module {root}/usr/lib/apache2/modules/mod_headers.so
User {user}
Group #65534
ServerName weft.test
Listen 127.0.0.1:{port}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog {folder}/errors
LogLevel crit
StartServers 1
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
AllowEncodedSlashes NoDecode
RequestHeader set X-From expr=%{{REMOTE_ADDR}}
ProxyPass / http://127.0.0.1:{backend}/ nocanon disablereuse=On
''')]


class Haproxy(Peer):
    name, program = 'haproxy', 'usr/sbin/haproxy'

    def options(self):
        return ['-db', '-q', '-f', self.write('conf', '''
global
    nbthread 1
    maxconn 500
defaults
    mode http
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend front
    bind 127.0.0.1:{port}
    http-request set-header X-From %[src]
    default_backend back
backend back
    http-reuse never
    server recorder 127.0.0.1:{backend}
''')]


class Lighttpd(Peer):
    name, program = 'lighttpd', 'usr/sbin/lighttpd'

    def options(self):
        return ['-D', '-m', self.at('usr/lib/lighttpd'), '-f', self.write('conf', '''
server.document-root = "{folder}"
server.bind = "127.0.0.1"
server.port = {port}
server.modules = ("mod_proxy")
server.upload-dirs = ("{folder}")
proxy.server = ("" => (("host" => "127.0.0.1", "port" => {backend})))
''')]


class Varnish(Peer):
    name, program = 'varnish', 'usr/sbin/varnishd'

    def options(self):
        return ['-F', '-n', self.here('work'), '-j', 'none', '-l', '1m',
                '-s', 'malloc,16m', '-a', '127.0.0.1:%d' % self.port,
                '-p', 'thread_pools=1', '-p', 'thread_pool_min=20', '-f', self.write('vcl', '''
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{backend}"; }}
sub vcl_recv {{
    set req.http.X-From = client.ip;
    return (pass);
}}
sub vcl_backend_fetch {{
    return (fetch); # also the body of a GET
}}
''')]


class H2o(Peer):
    name, program = 'h2o', 'usr/bin/h2o'

    def options(self):
        return ['-c', self.write('conf', '''
num-threads: 1
listen: {{ host: 127.0.0.1, port: {port} }}
hosts:
  default:
    paths:
      /:
        proxy.reverse.url: "http://127.0.0.1:{backend}/"
        proxy.preserve-host: ON
''')]


class Squid(Peer):
    name, program = 'squid', 'usr/sbin/squid'

    def options(self):
        return ['-N', '-f', self.write('conf', '''
http_port 127.0.0.1:{port} accel defaultsite=weft.test
cache_peer 127.0.0.1 parent {backend} 0 no-query originserver
http_access allow all
never_direct allow all
cache deny all
cache_mem 4 MB
memory_cache_shared off
server_persistent_connections off
half_closed_clients on
request_header_add X-From "%>a" all
pid_filename none
access_log none
cache_log {folder}/errors
netdb_filename none
dns_nameservers 127.0.0.1
dns_timeout 1 second
hosts_file none
pinger_enable off
unlinkd_program {root}/usr/lib/squid/unlinkd
coredump_dir {folder}
shutdown_lifetime 0 seconds
visible_hostname weft.test
mime_table {root}/usr/share/squid/mime.conf
icon_directory {root}/usr/share/squid/icons
error_directory {root}/usr/share/squid/errors/templates
''')]


class Caddy(Peer):
    name, program = 'caddy', 'usr/bin/caddy'

    def options(self):
        return ['run', '--adapter', 'caddyfile', '--config', self.write('conf', '''
{{
    admin off
    auto_https off
    grace_period 1s
    log {{
        level ERROR
    }}
}}
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{backend} {{
        header_up X-From {{http.request.remote.host}}
    }}
}}
''')]


class Trafficserver(Peer):
    name, program = 'trafficserver', 'usr/bin/traffic_server'

    def options(self):
        for folder in 'etc', 'log', 'run', 'cache', 'etc/body_factory':
            os.makedirs(self.here(folder), exist_ok=True)
            os.chmod(self.here(folder), 0o777)
        self.write('etc/records.config', '''
CONFIG proxy.config.http.server_ports STRING {port}:ipv4:ip-in=127.0.0.1
CONFIG proxy.config.http.insert_squid_x_forwarded_for INT 1
CONFIG proxy.config.http.cache.http INT 0
CONFIG proxy.config.http.server_session_sharing.match STRING none
CONFIG proxy.config.http.allow_half_open INT 0
CONFIG proxy.config.url_remap.pristine_host_hdr INT 1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.diags.show_location INT 0
CONFIG proxy.config.admin.user_id STRING {user}
CONFIG proxy.config.body_factory.template_sets_dir STRING {root}/etc/trafficserver/body_factory
CONFIG proxy.config.crash_log_helper STRING NULL
''')
        self.write('etc/remap.config', 'map / http://127.0.0.1:{backend}/\n')
        self.write('etc/ip_allow.yaml', '''
ip_allow:
  - {{ apply: in, ip_addrs: 0/0, action: allow, methods: ALL }}
''')
        for name in 'storage.config', 'plugin.config', 'parent.config':
            self.write('etc/' + name, '')
        return ['--run-root=' + self.write('runroot.yaml', '''
prefix: {folder}
exec_prefix: {folder}
bindir: {root}/usr/bin
sbindir: {root}/usr/sbin
sysconfdir: {folder}/etc
datadir: {folder}
includedir: {folder}
libdir: {root}/usr/lib/trafficserver
libexecdir: {root}/usr/lib/trafficserver/modules
localstatedir: {folder}/run
runtimedir: {folder}/run
logdir: {folder}/log
mandir: {folder}
infodir: {folder}
cachedir: {folder}/cache
''')]


class Node(Peer):
    name, program, is_proxy = 'node', 'usr/bin/node', False

    def options(self):
        return [os.path.join(HERE, 'app.js'), str(self.port)]


class Python(Peer):
    """A server that is a module."""
    is_proxy = False

    def environment(self):
        return {**super().environment(), 'PYTHONDONTWRITEBYTECODE': '1',
                'PYTHONPATH': self.at('usr/lib/python3/dist-packages')}

    def command(self):
        return [sys.executable, os.path.join(HERE, 'apps.py'), self.name, str(self.port)]


class Tornado(Python):
    name, program = 'tornado', 'usr/lib/python3/dist-packages/tornado/httpserver.py'


class Waitress(Python):
    name, program = 'waitress', 'usr/lib/python3/dist-packages/waitress/server.py'


PEERS = (Nginx, Apache, Haproxy, Lighttpd, Varnish, H2o, Squid, Trafficserver, Caddy, Node, Tornado,
         Waitress)
