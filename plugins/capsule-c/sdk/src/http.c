/* HTTP requests, which the host makes. Bodies cross as base64: text is cheap at that border. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host.h"
#include "json.h"
#include "program.h"

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char *const FAILURES[] = {"denied", "invalid-request", "network", "timeout", "too-large", "unknown-handle"};

static char *encode(const unsigned char *data, size_t size) {
    char *text = malloc((size + 2) / 3 * 4 + 1);
    char *to = text;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = data[i] << 16 | (left > 1 ? data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
        *to++ = ALPHABET[group >> 18];
        *to++ = ALPHABET[group >> 12 & 63];
        *to++ = left > 1 ? ALPHABET[group >> 6 & 63] : '=';
        *to++ = left > 2 ? ALPHABET[group & 63] : '=';
    }
    *to = '\0';
    return text;
}

/* The host's own base64: nothing in it but the alphabet, padded. */
static char *decode(const char *text, size_t size, size_t *decoded) {
    uint8_t digits[256] = {0};
    for (int i = 0; i < 64; i++) {
        digits[(uint8_t)ALPHABET[i]] = i;
    }
    char *data = malloc(size / 4 * 3 + 1);
    char *to = data;
    for (size_t i = 0; i + 4 <= size; i += 4) {
        const uint8_t *in = (const uint8_t *)text + i;
        uint32_t group = digits[in[0]] << 18 | digits[in[1]] << 12 | digits[in[2]] << 6 | digits[in[3]];
        *to++ = group >> 16;
        if (in[2] != '=') {
            *to++ = group >> 8;
        }
        if (in[3] != '=') {
            *to++ = group;
        }
    }
    *to = '\0';
    *decoded = to - data;
    return data;
}

static capsule_value *described(capsule_request request) {
    capsule_value *made = capsule_object(
        "method", request.method == NULL ? "GET" : request.method, "url", request.url == NULL ? "" : request.url);
    capsule_value *headers = capsule_array();
    for (const char *const *pair = request.headers; pair != NULL && pair[0] != NULL && pair[1] != NULL; pair += 2) {
        capsule_append(headers, capsule_array(pair[0], pair[1]));
    }
    capsule_put(made, "headers", headers);
    char *body = NULL;
    if (request.body != NULL) {
        body = encode(request.body, request.body_size != 0 ? request.body_size : strlen(request.body));
    }
    capsule_put(made, "body", body);
    capsule_put(made, "timeout", request.timeout > 0 ? capsule_of(request.timeout) : capsule_of(NULL));
    capsule_put(made, "redirects", (bool)!request.no_redirects);
    return made;
}

capsule_response capsule_http_send(capsule_request request) {
    size_t size;
    const char *reason = "";
    char *text = json_write(described(request), &size, &reason);
    if (text == NULL) {
        return (capsule_response){.error = "invalid-request", .message = reason};
    }
    host_flush();
    host_result result;
    host_http_send(text, size, &result);
    free(text);
    if (result.bytes[0] != 0) {
        uint8_t failure = result.bytes[4];
        return (capsule_response){
            .error = failure < sizeof FAILURES / sizeof *FAILURES ? FAILURES[failure] : "network",
            .message = program_copy(FIELD(result, char *, 8), FIELD(result, uint32_t, 12)),
        };
    }
    capsule_value *answer = program_read(FIELD(result, char *, 4), FIELD(result, uint32_t, 8));
    capsule_value *body = capsule_get(answer, "body");
    capsule_response response = {
        .status = (int)capsule_as_long(capsule_get(answer, "status")),
        .url = capsule_as_string(capsule_get(answer, "url")),
        .headers = capsule_get(answer, "headers"),
    };
    response.body = decode(capsule_is_string(body) ? capsule_as_string(body) : "", capsule_size(body), &response.body_size);
    return response;
}

const char *capsule_header(const capsule_response *response, const char *name) {
    capsule_each(header, response->headers) {
        const char *found = capsule_as_string(capsule_at(header, 0));
        if (found != NULL && strcasecmp(found, name) == 0) {
            return capsule_as_string(capsule_at(header, 1));
        }
    }
    return NULL;
}
