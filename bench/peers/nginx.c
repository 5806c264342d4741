#include "peers/nginx.h"

#include "hello.h"
#include "peers/unpacked.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char configuration[] =
    "daemon off; master_process off; pid /dev/null; error_log /dev/null crit;\n"
    "events { worker_connections 4096; multi_accept on; }\n"
    "http {\n"
    "  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 1h;\n"
    "  client_body_temp_path /tmp; proxy_temp_path /tmp; fastcgi_temp_path /tmp;\n"
    "  uwsgi_temp_path /tmp; scgi_temp_path /tmp;\n"
    "  default_type \"text/plain; charset=utf-8\";\n"
    "  server { listen 127.0.0.1:%d; location / { return 200 \"hello, world\\n\"; }\n"
    "    location /json { default_type application/json; return 200 '" HELLO_PRODUCT "\\n'; } }\n"
    "}\n";

/* The configuration, in memory; its descriptor. */
static int configure(int port)
{
    char text[1024];
    int size = snprintf(text, sizeof text, configuration, port);
    int fd = memfd_create("nginx.conf", 0);
    if (fd < 0 || write(fd, text, (size_t)size) != size) {
        perror("nginx.conf");
        exit(1);
    }
    return fd;
}

void http_nginx(struct server_ends ends)
{
    const char *program = unpacked_program("nginx", "usr/sbin/nginx");
    char path[64];
    if (!program) {
        server_ready(ends, SERVER_NOT_HERE);
        return;
    }
    int port = unpacked_port();
    snprintf(path, sizeof path, "/proc/self/fd/%d", configure(port));
    unpacked_become(
        ends, "nginx", port,
        (const char *const[]){ program, "-p", "/tmp", "-c", path, "-e", "/dev/null", NULL });
}
