/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/http.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "steering/base/mem.h"

static void *allocate(size_t size)
{
    return mem_resize(NULL, 1, size);
}

static void *reallocate(void *block, size_t size)
{
    return mem_resize(block, 1, size);
}

/* What set_up asks for can fail for one reason only, memory; then the process ends here rather than
 * send a request that lacks, say, its socket. Of curl's own starting up nothing is needed: it would
 * be TLS. */
static CURL *new_curl(void)
{
    CURLcode code = curl_global_init_mem(CURL_GLOBAL_NOTHING, allocate, free, reallocate,
                                         mem_strdup, mem_calloc);
    return code == CURLE_OK ? curl_easy_init() : NULL;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *body = context;
    buf_append(body, bytes, size * count);
    return body->is_overflown ? 0 : size * count;
}

static void set_up(CURL *curl, const char *socket_path, const char *url, uint64_t timeout_ms,
                   struct buf *body)
{
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* the environment's proxy is for other things */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
}

enum err http_get(const char *socket_path, const char *path, uint64_t timeout_ms, struct diag *diag,
                  long *out_status, struct buf *out_body)
{
    struct buf url;
    CURL *curl = new_curl();
    if (curl == NULL) {
        diag_error(diag, 0, 0, "the HTTP client does not start");
        return ERR_UNREACHABLE;
    }
    buf_init(&url, 1 << 16);
    buf_append_format(&url, "http://localhost%s", path);
    buf_clear(out_body);
    set_up(curl, socket_path, buf_text(&url), timeout_ms, out_body);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, out_status);
    else
        diag_error(diag, 0, 0, "no answer on '%s': %s", socket_path,
                   out_body->is_overflown ? "it is too large" : curl_easy_strerror(code));
    buf_fini(&url);
    curl_easy_cleanup(curl);
    return code == CURLE_OK ? ERR_OK : ERR_UNREACHABLE;
}

/* RFC 3986: unreserved characters stand for themselves. */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

void http_add_argument(struct buf *path, const char *key, const char *value)
{
    bool is_first = path->len == 0 || memchr(path->bytes, '?', path->len) == NULL;
    buf_append_format(path, "%c%s=", is_first ? '?' : '&', key);
    for (const char *at = value; *at != '\0'; at++) {
        if (is_unreserved(*at))
            buf_append(path, at, 1);
        else
            buf_append_format(path, "%%%02X", (unsigned)(unsigned char)*at);
    }
}
