/* Requests, pipelined, as a server reads them. */

#include "fuzz_http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_http1(data, size, false);
}
