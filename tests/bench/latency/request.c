/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/latency/request.h"

#include <inttypes.h>

void request_fail(struct request *request, const char *error)
{
    if (request->error[0] == '\0')
        snprintf(request->error, sizeof(request->error), "%s", error);
}

static void print_ms(const struct request *request, const char *name, uint64_t when_ns, FILE *file)
{
    /* Before: it joined a connection that had come so far. */
    if (when_ns < request->began_ns)
        fprintf(file, ",\"%s\":null", name);
    else
        fprintf(file, ",\"%s\":%.3f", name, (double)(when_ns - request->began_ns) / NS_PER_MS);
}

/* Error texts come from the C library, OpenSSL and nghttp2, and could hold anything. */
static void print_text(const char *text, FILE *file)
{
    fputc('"', file);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        fputc((unsigned char)*text < ' ' || (unsigned char)*text > '~' ? '?' : *text, file);
    }
    fputc('"', file);
}

void request_print(const struct request *request, uint64_t epoch_ns, FILE *file)
{
    fprintf(file, "{\"sample\":%u,\"request\":%u,\"stream\":%u,\"connection\":%u", request->sample,
            request->number, request->lane, request->connection_number);
    fprintf(file, ",\"at\":%.6f,\"began\":%.6f", (double)(request->began_ns - epoch_ns) / NS_PER_S,
            (double)request->began_ns / NS_PER_S);
    print_ms(request, "connect", request->connected_ns, file);
    print_ms(request, "handshake", request->handshaken_ns, file);
    print_ms(request, "sent", request->sent_ns, file);
    print_ms(request, "first", request->first_ns, file);
    print_ms(request, "last", request->last_ns, file);
    if (request->status == 0)
        fputs(",\"status\":null", file);
    else
        fprintf(file, ",\"status\":%d", request->status);
    fprintf(file, ",\"bytes\":%" PRIu64 ",\"resumed\":%s,\"tls\":", request->bytes,
            request->is_resumed ? "true" : "false");
    if (request->tls == NULL)
        fputs("null", file);
    else
        print_text(request->tls, file);
    fputs(",\"error\":", file);
    if (request->error[0] == '\0')
        fputs("null", file);
    else
        print_text(request->error, file);
    fprintf(file, ",\"request_id\":\"%s\"}\n", request->id);
}
