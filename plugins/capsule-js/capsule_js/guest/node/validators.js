// Node's checks of arguments, and its errors: the package of Node's streams brings both.

import errors from "readable-stream/lib/ours/errors.js";
import validators from "readable-stream/lib/internal/validators.js";

export const { AbortError, codes } = errors;
export const { validateAbortSignal, validateArray, validateBoolean, validateFunction, validateInteger, validateNumber, validateObject, validateOneOf, validateString, validateUint32 } = validators;

/** An `ERR_INVALID_ARG_TYPE`. */
export const wrongType = (name, expected, value) => new codes.ERR_INVALID_ARG_TYPE(name, expected, value);

/** An `ERR_OUT_OF_RANGE`. */
export const outOfRange = (name, range, value) => new codes.ERR_OUT_OF_RANGE(name, range, value);

/** An `ERR_INVALID_ARG_VALUE`. */
export const wrongValue = (name, value, reason) => new codes.ERR_INVALID_ARG_VALUE(name, value, reason);
