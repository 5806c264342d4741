/* GET /tasks: what each task of the gateway's loop waits for, as text.
 *
 * While it is written the loop serves nobody else, some microseconds for each task; and it is as
 * long as there are tasks. So it is cut at a megabyte, and says that there is more. */

#include "stage.h"

#include <weft/inspect.h>

#define TEXT_MAX ((size_t)1 << 20)

static const char cut_text[] = "\n(there is more)\n";

static int append(void *context, const char *text, size_t size)
{
    weft_buffer *buffer = context;
    if (weft_buffer_readable(buffer) + size > TEXT_MAX)
        return WEFT_ELIMIT;
    return weft_buffer_append(buffer, text, size);
}

int stage_tasks(weft_http *http, void *app)
{
    (void)app;
    weft_buffer buffer;
    weft_buffer_init(&buffer, TEXT_MAX + sizeof cut_text);
    int err = weft_dump_to(append, &buffer);
    if (err == WEFT_ELIMIT)
        err = weft_buffer_append(&buffer, cut_text, sizeof cut_text - 1);
    weft_slice text = weft_buffer_slice(&buffer, 0, weft_buffer_readable(&buffer));
    weft_http_set_header(http, "Cache-Control", "no-store");
    if (err >= 0)
        err = weft_http_send(http, 200, "text/plain; charset=utf-8", text.data, text.size);
    weft_buffer_fini(&buffer);
    return err;
}
