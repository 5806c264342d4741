/* Commands, pipelined, as a server reads them. */

#include "fuzz_resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_resp(data, size, false);
}
