/* Values and commands as bytes. */

#include "codec/resp.h"

#include <string.h>

static char *end_line(char *out)
{
    memcpy(out, "\r\n", 2);
    return out + 2;
}

char *wf_resp_write_head(char *out, enum wf_resp_kind kind, int64_t value)
{
    *out++ = (char)kind;
    if (value >= 0 && value < 10)
        *out++ = (char)('0' + value);
    else
        out += wf_resp_print_integer(out, value);
    return end_line(out);
}

char *wf_resp_write_string(char *out, const char *data, size_t size)
{
    out = wf_resp_write_head(out, WF_RESP_STRING, (int64_t)size);
    if (size > 0)
        memcpy(out, data, size);
    return end_line(out + size);
}

static char *write_text(char *out, const char *text, size_t size)
{
    memcpy(out, text, size);
    return out + size;
}

char *wf_resp_write_null(char *out, int version)
{
    return version >= 3 ? write_text(out, "_\r\n", 3) : write_text(out, "$-1\r\n", 5);
}

char *wf_resp_write_null_array(char *out, int version)
{
    return version >= 3 ? write_text(out, "_\r\n", 3) : write_text(out, "*-1\r\n", 5);
}

char *wf_resp_write_boolean(char *out, bool value, int version)
{
    if (version < 3)
        return wf_resp_write_head(out, WF_RESP_INTEGER, value);
    return write_text(out, value ? "#t\r\n" : "#f\r\n", 4);
}

char *wf_resp_write_double(char *out, double value, int version)
{
    char text[WF_RESP_DOUBLE_MAX - WF_RESP_HEAD_MAX];
    size_t size = wf_resp_print_double(text, value);
    if (version < 3)
        return wf_resp_write_string(out, text, size);
    *out++ = WF_RESP_DOUBLE;
    memcpy(out, text, size);
    return end_line(out + size);
}

char *wf_resp_write_aggregate(char *out, enum wf_resp_kind kind, size_t count, int version)
{
    if (version >= 3)
        return wf_resp_write_head(out, kind, (int64_t)count);
    size_t values = kind == WF_RESP_MAP ? count * 2 : count;
    return wf_resp_write_head(out, WF_RESP_ARRAY, (int64_t)values);
}

/* --- commands --- */

static size_t head_size(size_t value)
{
    size_t digits = 1;
    for (; value >= 10; value /= 10)
        digits++;
    return 1 + digits + 2;
}

size_t wf_resp_command_size(const weft_slice *args, size_t count)
{
    size_t size = head_size(count);
    for (size_t i = 0; i < count; i++)
        size += head_size(args[i].size) + args[i].size + 2;
    return size;
}

char *wf_resp_command_write(char *out, const weft_slice *args, size_t count)
{
    out = wf_resp_write_head(out, WF_RESP_ARRAY, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        out = wf_resp_write_string(out, args[i].data, args[i].size);
    return out;
}
