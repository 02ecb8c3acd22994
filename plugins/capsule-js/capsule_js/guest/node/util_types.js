// util/types.

const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);
const tagged = (...names) => (value) => typeof value === "object" && value !== null && names.includes(tag(value));
const kind = (made) => (value) => value instanceof made;
const boxed = (made) => (value) => value instanceof made;
const AsyncFunction = (async () => {}).constructor;
const GeneratorFunction = function* () {}.constructor;
const AsyncGeneratorFunction = async function* () {}.constructor;

const types = {
  isAnyArrayBuffer: tagged("ArrayBuffer", "SharedArrayBuffer"),
  isArgumentsObject: tagged("Arguments"),
  isArrayBuffer: tagged("ArrayBuffer"),
  isArrayBufferView: ArrayBuffer.isView,
  isAsyncFunction: (value) => value instanceof AsyncFunction || value instanceof AsyncGeneratorFunction,
  isBigInt64Array: kind(BigInt64Array),
  isBigIntObject: boxed(BigInt),
  isBigUint64Array: kind(BigUint64Array),
  isBooleanObject: boxed(Boolean),
  isBoxedPrimitive: (value) => [Number, String, Boolean, Symbol, BigInt].some((made) => value instanceof made),
  isCryptoKey: (value) => value instanceof CryptoKey,
  isDataView: kind(DataView),
  isDate: tagged("Date"),
  isExternal: () => false,
  isFloat32Array: kind(Float32Array),
  isFloat64Array: kind(Float64Array),
  isGeneratorFunction: (value) => value instanceof GeneratorFunction || value instanceof AsyncGeneratorFunction,
  isGeneratorObject: tagged("Generator", "AsyncGenerator"),
  isInt16Array: kind(Int16Array),
  isInt32Array: kind(Int32Array),
  isInt8Array: kind(Int8Array),
  isKeyObject: () => false,
  isMap: kind(Map),
  isMapIterator: tagged("Map Iterator"),
  isModuleNamespaceObject: tagged("Module"),
  isNativeError: (value) => value instanceof Error,
  isNumberObject: boxed(Number),
  isPromise: kind(Promise),
  isProxy: () => false,
  isRegExp: tagged("RegExp"),
  isSet: kind(Set),
  isSetIterator: tagged("Set Iterator"),
  isSharedArrayBuffer: tagged("SharedArrayBuffer"),
  isStringObject: boxed(String),
  isSymbolObject: boxed(Symbol),
  isTypedArray: (value) => ArrayBuffer.isView(value) && !(value instanceof DataView),
  isUint16Array: kind(Uint16Array),
  isUint32Array: kind(Uint32Array),
  isUint8Array: kind(Uint8Array),
  isUint8ClampedArray: kind(Uint8ClampedArray),
  isWeakMap: kind(WeakMap),
  isWeakSet: kind(WeakSet),
};

export default types;
