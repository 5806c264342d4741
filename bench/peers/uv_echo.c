/* Echo on libuv: a buffer for all connections, because a read callback is called before the next
 * one; what the socket takes at once is written at once, and only the rest with a request. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static char shared[65536];

struct rest {
    uv_write_t request;
    char data[];
};

static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(shared, sizeof shared);
}

static void gone(uv_handle_t *handle)
{
    free(handle);
}

static void written(uv_write_t *request, int status)
{
    (void)status;
    free(request);
}

static void write_rest(uv_stream_t *client, const char *data, size_t size)
{
    struct rest *rest = malloc(sizeof *rest + size);
    if (!rest)
        abort();
    memcpy(rest->data, data, size);
    uv_buf_t buffer = uv_buf_init(rest->data, (unsigned)size);
    uv_write(&rest->request, client, &buffer, 1, written);
}

static void have_read(uv_stream_t *client, ssize_t n, const uv_buf_t *buffer)
{
    if (n < 0) {
        uv_close((uv_handle_t *)client, gone);
        return;
    }
    uv_buf_t data = uv_buf_init(buffer->base, (unsigned)n);
    int sent = n > 0 ? uv_try_write(client, &data, 1) : 0;
    if (sent < 0)
        sent = 0;
    if (sent < n)
        write_rest(client, buffer->base + sent, (size_t)(n - sent));
}

static void connected(uv_stream_t *listener, int status)
{
    uv_tcp_t *client = malloc(sizeof *client);
    if (!client || status < 0)
        abort();
    uv_tcp_init(listener->loop, client);
    if (uv_accept(listener, (uv_stream_t *)client) != 0) {
        uv_close((uv_handle_t *)client, gone);
        return;
    }
    uv_read_start((uv_stream_t *)client, lend, have_read);
}

int main(void)
{
    uv_tcp_t listener;
    struct sockaddr_in address;
    int size = sizeof address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(uv_default_loop(), &listener);
    if (uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&listener, 511, connected) != 0)
        return 1;
    uv_tcp_nodelay(&listener, 1); /* clients inherit it */
    uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
