#ifndef BENCH_HEADS_H
#define BENCH_HEADS_H

/* A browser's head of 398 bytes with eight headers, which bench_codec times and the guard counts.
 */
#define HEAD_EIGHT                                                                                 \
    "GET /product/7?currency=EUR HTTP/1.1\r\n"                                                     \
    "Host: shop.example.com\r\n"                                                                   \
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"       \
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"                  \
    "Accept-Language: en-US,en;q=0.5\r\n"                                                          \
    "Accept-Encoding: gzip, deflate, br\r\n"                                                       \
    "Connection: keep-alive\r\n"                                                                   \
    "Cookie: session=5f2b7c1e9a0d4f63; theme=dark; seen=1\r\n"                                     \
    "Upgrade-Insecure-Requests: 1\r\n"                                                             \
    "\r\n"

#endif
