#pragma once

/* A title as a part of an address: small letters and digits, with dashes between words. */
char *slug(const char *title);
