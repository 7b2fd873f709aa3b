/* Messages that are like an example but for their holes: made, read and written without the interpreter.
 *
 * Every chunk of audio becomes an event and its JSON, and each is like the last one but for the sound, an id and a
 * time. Python does that well while its code is in the processor's cache; a process that serves hundreds of calls finds
 * it cold each time. What is here touches a tenth of the memory. It is optional: `native.py` says where it is used, and
 * everything works without it. It knows msgspec's Structs by their slots, and nothing of this project's classes.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

#if !defined(__x86_64__) || !(defined(__GNUC__) || defined(__clang__))
#error "only for x86-64, and compilers that know function targets: elsewhere Python does the same"
#endif
#ifdef Py_GIL_DISABLED
#error "it leans on the interpreter's lock"
#endif
#include <tmmintrin.h>
#define VECTOR __attribute__((target("ssse3")))

/* -- base64, sixteen letters at a time: W. Muła, D. Lemire, "Faster Base64 Encoding and Decoding using AVX2
 *    Instructions", ACM Transactions on the Web 12(3), 2018. Written it is URL-safe, read it is standard. */

static Py_ssize_t encoded_size(Py_ssize_t size)
{
    return (size + 2) / 3 * 4;
}

VECTOR static void encode(const uint8_t *in, Py_ssize_t size, char *out)
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const __m128i spread = _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
    /* What to add to a value to get its letter, by the class of the value. */
    const __m128i shift = _mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                        '0' - 52, '0' - 52, '0' - 52, '-' - 62, '_' - 63, 'A', 0, 0);
    for (; size >= 16; size -= 12, in += 12, out += 16) {
        const __m128i bytes = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)in), spread);
        const __m128i odd =
            _mm_mulhi_epu16(_mm_and_si128(bytes, _mm_set1_epi32(0x0fc0fc00)), _mm_set1_epi32(0x04000040));
        const __m128i even =
            _mm_mullo_epi16(_mm_and_si128(bytes, _mm_set1_epi32(0x003f03f0)), _mm_set1_epi32(0x01000010));
        const __m128i values = _mm_or_si128(odd, even);
        const __m128i capital = _mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(26), values), _mm_set1_epi8(13));
        const __m128i class = _mm_or_si128(_mm_subs_epu8(values, _mm_set1_epi8(51)), capital);
        _mm_storeu_si128((__m128i *)out, _mm_add_epi8(values, _mm_shuffle_epi8(shift, class)));
    }
    for (; size > 0; size -= 3, in += 3, out += 4) {
        const uint32_t three = (uint32_t)in[0] << 16 | (size > 1 ? (uint32_t)in[1] << 8 : 0) | (size > 2 ? in[2] : 0);
        out[0] = LETTERS[three >> 18];
        out[1] = LETTERS[three >> 12 & 63];
        out[2] = size > 1 ? LETTERS[three >> 6 & 63] : '=';
        out[3] = size > 2 ? LETTERS[three & 63] : '=';
    }
}

static int value_of(uint8_t letter) /* -1: not one of the alphabet */
{
    if (letter >= 'A' && letter <= 'Z') return letter - 'A';
    if (letter >= 'a' && letter <= 'z') return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9') return letter - '0' + 52;
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

/* `length` letters, without padding, into exactly `length * 3 / 4` bytes. False: they are no base64. */
VECTOR static int decode(const uint8_t *in, Py_ssize_t length, uint8_t *out)
{
    /* A letter is good when what its lower and its upper half allow have no bit in common. */
    const __m128i lower =
        _mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
    const __m128i upper =
        _mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
    const __m128i shift = _mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i together = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    const __m128i mask = _mm_set1_epi8(0x2f);
    __m128i bad = _mm_setzero_si128();
    for (; length >= 24; length -= 16, in += 16, out += 12) { /* four bytes more than it gives are written each time */
        const __m128i letters = _mm_loadu_si128((const __m128i *)in);
        const __m128i high = _mm_and_si128(_mm_srli_epi32(letters, 4), mask);
        const __m128i low = _mm_and_si128(letters, mask);
        bad = _mm_or_si128(bad, _mm_and_si128(_mm_shuffle_epi8(lower, low), _mm_shuffle_epi8(upper, high)));
        const __m128i class = _mm_add_epi8(_mm_cmpeq_epi8(letters, mask), high);
        const __m128i values = _mm_add_epi8(letters, _mm_shuffle_epi8(shift, class));
        const __m128i pairs = _mm_maddubs_epi16(values, _mm_set1_epi32(0x01400140));
        const __m128i triples = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00011000));
        _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(triples, together));
    }
    if (_mm_movemask_epi8(_mm_cmpeq_epi8(bad, _mm_setzero_si128())) != 0xffff) return 0;
    uint32_t bits = 0;
    int held = 0;
    for (; length > 0; length--, in++) {
        const int value = value_of(*in);
        if (value < 0) return 0;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *out++ = (uint8_t)(bits >> held);
        }
    }
    return 1;
}

/* -- Hole: stands in an example where messages differ -------------------- */

typedef enum { ANYTHING, TEXT, NUMBER, BYTES } HoleKind;

typedef struct {
    PyObject_HEAD
    int number;
    HoleKind kind;
    PyTypeObject *class; /* of BYTES: what is read becomes one of these */
} Hole;

static PyObject *hole_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"number", "kind", NULL};
    int number;
    PyObject *kind = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|O", names, &number, &kind)) return NULL;
    const int is_bytes = kind != NULL && PyType_Check(kind) && PyType_IsSubtype((PyTypeObject *)kind, &PyBytes_Type);
    if (kind != NULL && kind != (PyObject *)&PyUnicode_Type && kind != (PyObject *)&PyFloat_Type && !is_bytes) {
        PyErr_SetString(PyExc_TypeError, "a hole is for str, float, or a class of bytes");
        return NULL;
    }
    Hole *hole = (Hole *)type->tp_alloc(type, 0);
    if (hole == NULL) return NULL;
    hole->number = number;
    hole->kind = kind == NULL ? ANYTHING : is_bytes ? BYTES : kind == (PyObject *)&PyFloat_Type ? NUMBER : TEXT;
    hole->class = is_bytes ? (PyTypeObject *)Py_NewRef(kind) : NULL;
    return (PyObject *)hole;
}

static void hole_dealloc(Hole *self)
{
    Py_XDECREF(self->class);
    Py_TYPE(self)->tp_free(self);
}

static PyTypeObject HoleType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "fullduplex._native.Hole",
    .tp_doc = "Hole(number[, kind]): stands in an example for what differs; `kind` is str, float, or a class of bytes.",
    .tp_basicsize = sizeof(Hole),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = hole_new,
    .tp_dealloc = (destructor)hole_dealloc,
};

/* -- Node: an example, taken apart -------------------- */

typedef enum { CONSTANT, HOLE, STRUCT, LIST, DICT } NodeKind;

typedef struct Node {
    NodeKind kind;
    PyObject *object;    /* CONSTANT: itself. HOLE: the Hole. STRUCT: its class */
    Py_ssize_t offset;   /* STRUCT: of the first slot; the others follow */
    Py_ssize_t size;     /* STRUCT: how many slots. LIST: how many items */
    PyObject **constant; /* STRUCT: for each slot what always stands there, or NULL: then a part says */
    Py_ssize_t parts;
    struct Part *part; /* STRUCT and LIST: what is not constant, and where */
} Node;

typedef struct Part {
    Py_ssize_t place;
    Node node;
} Part;

#define SLOTS(object, node) ((PyObject **)((char *)(object) + (node)->offset))

static void node_clear(Node *node)
{
    for (Py_ssize_t i = 0; i < node->parts; i++)
        node_clear(&node->part[i].node);
    if (node->constant != NULL)
        for (Py_ssize_t i = 0; i < node->size; i++)
            Py_XDECREF(node->constant[i]);
    PyMem_Free(node->part);
    PyMem_Free(node->constant);
    Py_XDECREF(node->object);
    memset(node, 0, sizeof *node);
}

static int node_learn(Node *node, PyObject *example);

static int learn_parts(Node *node, PyObject **items, Py_ssize_t size)
{
    node->size = size;
    node->part = PyMem_Calloc(size ? size : 1, sizeof *node->part);
    node->constant = PyMem_Calloc(size ? size : 1, sizeof *node->constant);
    if (node->part == NULL || node->constant == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        Part *part = &node->part[node->parts];
        if (node_learn(&part->node, items[i]) < 0) {
            node_clear(&part->node);
            return -1;
        }
        if (part->node.kind == CONSTANT) {
            node->constant[i] = part->node.object;
            memset(part, 0, sizeof *part);
        } else {
            part->place = i;
            node->parts++;
        }
    }
    return 0;
}

/* Where the slots of a Struct's class begin; they must follow one another. -1: an error is set. */
static Py_ssize_t first_slot(PyTypeObject *class, PyObject *fields)
{
    const Py_ssize_t size = PyTuple_GET_SIZE(fields);
    Py_ssize_t first = PY_SSIZE_T_MAX, last = -1;
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *member = PyObject_GetAttr((PyObject *)class, PyTuple_GET_ITEM(fields, i));
        if (member == NULL) return -1;
        const int known =
            Py_IS_TYPE(member, &PyMemberDescr_Type) && ((PyMemberDescrObject *)member)->d_member->type == T_OBJECT_EX;
        const Py_ssize_t offset = known ? ((PyMemberDescrObject *)member)->d_member->offset : -1;
        Py_DECREF(member);
        if (offset < 0) break;
        if (offset < first) first = offset;
        if (offset > last) last = offset;
    }
    if (size && last - first == (size - 1) * (Py_ssize_t)sizeof(PyObject *)) return first;
    PyErr_Format(PyExc_TypeError, "the slots of %s do not lie side by side", class->tp_name);
    return -1;
}

static int learn_struct(Node *node, PyObject *example, PyObject *fields)
{
    PyTypeObject *class = Py_TYPE(example);
    node->kind = STRUCT;
    node->object = Py_NewRef((PyObject *)class);
    node->offset = first_slot(class, fields);
    return node->offset < 0 ? -1 : learn_parts(node, SLOTS(example, node), PyTuple_GET_SIZE(fields));
}

static int node_learn(Node *node, PyObject *example)
{
    if (example == NULL) {
        PyErr_SetString(PyExc_TypeError, "an example without one of its fields");
        return -1;
    }
    if (Py_IS_TYPE(example, &HoleType)) {
        node->kind = HOLE;
        node->object = Py_NewRef(example);
        return 0;
    }
    if (PyList_CheckExact(example)) {
        node->kind = LIST;
        return learn_parts(node, PySequence_Fast_ITEMS(example), PyList_GET_SIZE(example));
    }
    if (PyDict_CheckExact(example) && PyDict_GET_SIZE(example) == 0) {
        node->kind = DICT;
        return 0;
    }
    if (example == Py_None || PyBool_Check(example) || PyUnicode_CheckExact(example)) {
        node->kind = CONSTANT;
        node->object = Py_NewRef(example);
        return 0;
    }
    PyObject *fields = PyObject_GetAttrString((PyObject *)Py_TYPE(example), "__struct_fields__");
    if (fields == NULL || !PyTuple_CheckExact(fields)) {
        Py_XDECREF(fields);
        PyErr_Format(PyExc_TypeError, "an example cannot hold %s", Py_TYPE(example)->tp_name);
        return -1;
    }
    const int learned = learn_struct(node, example, fields);
    Py_DECREF(fields);
    return learned;
}

/* An empty Struct, which the garbage collector does not know yet. */
static PyObject *new_struct(const Node *node)
{
    PyTypeObject *class = (PyTypeObject *)node->object;
    PyObject *made = PyType_IS_GC(class) ? PyObject_GC_New(PyObject, class) : PyObject_New(PyObject, class);
    if (made != NULL) memset(made + 1, 0, class->tp_basicsize - sizeof *made);
    return made;
}

/* A new object like the example, with `values` in its holes. As msgspec does, the collector is told of a Struct only if
 * there is anything in it that could lead back to it: being told costs more than most of what is done here. */
static PyObject *node_make(const Node *node, PyObject *const *values)
{
    switch (node->kind) {
    case CONSTANT: return Py_NewRef(node->object);
    case HOLE: return Py_NewRef(values[((Hole *)node->object)->number]);
    case DICT: return PyDict_New();
    case LIST:
    case STRUCT: break;
    }
    PyObject *made = node->kind == LIST ? PyList_New(node->size) : new_struct(node);
    if (made == NULL) return NULL;
    int leads_on = 0;
    PyObject **slots = node->kind == LIST ? PySequence_Fast_ITEMS(made) : SLOTS(made, node);
    for (Py_ssize_t i = 0; i < node->size; i++)
        slots[i] = Py_XNewRef(node->constant[i]);
    for (Py_ssize_t i = 0; i < node->parts; i++) {
        PyObject *value = node_make(&node->part[i].node, values);
        if (value == NULL) {
            Py_DECREF(made);
            return NULL;
        }
        slots[node->part[i].place] = value;
        leads_on |= PyObject_IS_GC(value) && (!PyTuple_CheckExact(value) || PyObject_GC_IsTracked(value));
    }
    if (leads_on && node->kind == STRUCT && PyType_IS_GC(Py_TYPE(made))) PyObject_GC_Track(made);
    return made;
}

/* Whether `object` is like the example; `values` are what stands in its holes then (borrowed). */
static int node_matches(const Node *node, PyObject *object, PyObject **values)
{
    if (node->kind == HOLE) {
        values[((Hole *)node->object)->number] = object;
        return object != NULL;
    }
    if (object == NULL) return 0;
    if (node->kind == CONSTANT) return object == node->object;
    if (node->kind == DICT) return PyDict_CheckExact(object) && PyDict_GET_SIZE(object) == 0;
    PyObject **slots;
    if (node->kind == LIST) {
        if (!PyList_CheckExact(object) || PyList_GET_SIZE(object) != node->size) return 0;
        slots = PySequence_Fast_ITEMS(object);
    } else {
        if (!Py_IS_TYPE(object, (PyTypeObject *)node->object)) return 0;
        slots = SLOTS(object, node);
    }
    for (Py_ssize_t i = 0; i < node->size; i++)
        if (node->constant[i] != NULL && slots[i] != node->constant[i]) return 0;
    for (Py_ssize_t i = 0; i < node->parts; i++)
        if (!node_matches(&node->part[i].node, slots[node->part[i].place], values)) return 0;
    return 1;
}

/* -- Mould -------------------- */

#define MOST_HOLES 16

typedef struct {
    PyObject_HEAD
    Node node;
    int holes;
    Hole *hole[MOST_HOLES];
    PyObject *texts; /* a tuple of bytes: what stands in JSON before, between and behind the holes; NULL: not known */
} Mould;

static int gather(Mould *self, const Node *node)
{
    if (node->kind == HOLE) {
        Hole *hole = (Hole *)node->object;
        if (hole->number < 0 || hole->number >= MOST_HOLES || self->hole[hole->number] != NULL) {
            PyErr_SetString(PyExc_ValueError, "holes are numbered from 0, each once");
            return -1;
        }
        self->hole[hole->number] = hole;
        self->holes++;
    }
    for (Py_ssize_t i = 0; i < node->parts; i++)
        if (gather(self, &node->part[i].node) < 0) return -1;
    return 0;
}

/* Whether `texts` are the ASCII around so many holes. */
static int are_texts(PyObject *texts, int holes)
{
    if (PyTuple_GET_SIZE(texts) != holes + 1) return 0;
    for (Py_ssize_t i = 0; i <= holes; i++) {
        PyObject *text = PyTuple_GET_ITEM(texts, i);
        if (!PyBytes_CheckExact(text)) return 0;
        for (Py_ssize_t at = 0; at < PyBytes_GET_SIZE(text); at++)
            if (PyBytes_AS_STRING(text)[at] & 0x80) return 0;
    }
    return 1;
}

static int mould_learn(Mould *self, PyObject *example, PyObject *texts)
{
    if (node_learn(&self->node, example) < 0 || gather(self, &self->node) < 0) return -1;
    for (int i = 0; i < self->holes; i++)
        if (self->hole[i] == NULL) {
            PyErr_SetString(PyExc_ValueError, "holes are numbered from 0, each once");
            return -1;
        }
    if (texts != NULL && !are_texts(texts, self->holes)) {
        PyErr_SetString(PyExc_ValueError, "texts are ASCII bytes, one more than there are holes");
        return -1;
    }
    self->texts = Py_XNewRef(texts);
    return 0;
}

static PyObject *mould_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"example", "texts", NULL};
    PyObject *example, *texts = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O!", names, &example, &PyTuple_Type, &texts)) return NULL;
    Mould *mould = (Mould *)type->tp_alloc(type, 0);
    if (mould != NULL && mould_learn(mould, example, texts) < 0) Py_CLEAR(mould);
    return (PyObject *)mould;
}

static void mould_dealloc(Mould *self)
{
    node_clear(&self->node);
    Py_XDECREF(self->texts);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *mould_make(Mould *self, PyObject *const *values, Py_ssize_t count)
{
    if (count != self->holes) return PyErr_Format(PyExc_TypeError, "%d values are wanted, not %zd", self->holes, count);
    return node_make(&self->node, values);
}

static PyObject *read_text(const Mould *self, const char *text, Py_ssize_t length)
{
    PyObject *start = PyTuple_GET_ITEM(self->texts, 0), *end = PyTuple_GET_ITEM(self->texts, 1);
    const Py_ssize_t before = PyBytes_GET_SIZE(start), behind = PyBytes_GET_SIZE(end);
    const char *letters = text + before;
    length -= before + behind;
    if (length < 0 || length % 4 || memcmp(text, PyBytes_AS_STRING(start), before) ||
        memcmp(letters + length, PyBytes_AS_STRING(end), behind))
        Py_RETURN_NONE;
    for (int padding = 0; padding < 2 && length && letters[length - 1] == '='; padding++)
        length--;
    PyTypeObject *class = self->hole[0]->class;
    const Py_ssize_t size = length / 4 * 3 + length % 4 * 3 / 4;
    PyObject *data = class->tp_alloc(class, size); /* as bytes makes its subclasses */
    if (data == NULL) return NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    ((PyBytesObject *)data)->ob_shash = -1; /* not known yet */
#pragma GCC diagnostic pop
    char *bytes = PyBytes_AS_STRING(data);
    bytes[size] = 0;
    const int good = decode((const uint8_t *)letters, length, (uint8_t *)bytes);
    PyObject *made = good ? node_make(&self->node, &data) : Py_NewRef(Py_None);
    Py_DECREF(data);
    return made;
}

static PyObject *mould_read(Mould *self, PyObject *raw)
{
    if (PyUnicode_Check(raw) || self->texts == NULL || self->holes != 1 || self->hole[0]->kind != BYTES) {
        PyErr_SetString(PyExc_TypeError, "bytes are read, with a mould that has texts and one hole for bytes");
        return NULL;
    }
    Py_buffer text;
    if (PyObject_GetBuffer(raw, &text, PyBUF_SIMPLE) < 0) return NULL;
    PyObject *message = read_text(self, text.buf, text.len);
    PyBuffer_Release(&text);
    return message;
}

/* The length of ASCII that needs no escape in JSON; -1: it is something else. */
static Py_ssize_t plain_length(PyObject *text)
{
    if (!PyUnicode_CheckExact(text) || !PyUnicode_IS_COMPACT_ASCII(text)) return -1;
    const uint8_t *letters = PyUnicode_1BYTE_DATA(text);
    const Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    for (Py_ssize_t i = 0; i < length; i++)
        if (letters[i] < 0x20 || letters[i] == '"' || letters[i] == '\\' || letters[i] == 0x7f) return -1;
    return length;
}

#define LONGEST_NUMBER 32

/* The shortest text that is this time, in seconds since 1970, and no other number; its length, -1: not found so.
 *
 * From 2004 to 2038 neighbouring times are 2^-22 s apart, so that a decimal which is nearer than half of that to one of
 * them says it, and whole numbers do for finding it. Each event has a time, and the general way is slow. */
static Py_ssize_t time_text(double time, char *text)
{
    if (!(time >= 0x1p30 && time < 0x1p31)) return -1;
    const uint64_t units = (uint64_t)(time * 0x1p22); /* exactly */
    uint64_t scale = 10;
    for (int places = 1; places <= 7; places++, scale *= 10) {
        const __uint128_t exact = (__uint128_t)units * scale;
        const uint64_t nearest = (uint64_t)((exact + (1 << 21)) >> 22);
        const __int128_t off = (__int128_t)((__uint128_t)nearest << 22) - (__int128_t)exact;
        const uint64_t distance = (uint64_t)(off < 0 ? -off : off);
        if (2 * distance >= scale) continue;
        if (distance == 1 << 21) return -1; /* two are equally near */
        uint64_t rest = nearest;
        for (int place = 10 + places; place >= 0; place--) {
            if (place == 10) {
                text[place] = '.';
                continue;
            }
            text[place] = (char)('0' + rest % 10);
            rest /= 10;
        }
        return 11 + places;
    }
    return -1;
}

/* How JSON writes a number, as far as Python and msgspec agree on it; its length, -1 if they may not. */
static Py_ssize_t number_text(PyObject *number, char *text)
{
    const double value = PyFloat_CheckExact(number) ? PyFloat_AS_DOUBLE(number) : NAN;
    const Py_ssize_t quickly = time_text(value, text);
    if (quickly > 0) return quickly;
    if (!(value >= 1e-3 && value < 1e15)) return -1;
    char *slowly = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (slowly == NULL) {
        PyErr_Clear();
        return -1;
    }
    const Py_ssize_t length = (Py_ssize_t)strlen(slowly);
    if (length < LONGEST_NUMBER) memcpy(text, slowly, length);
    PyMem_Free(slowly);
    return length < LONGEST_NUMBER ? length : -1;
}

static PyObject *mould_write(Mould *self, PyObject *object)
{
    if (self->texts == NULL) {
        PyErr_SetString(PyExc_TypeError, "this mould has no texts");
        return NULL;
    }
    PyObject *values[MOST_HOLES];
    if (!node_matches(&self->node, object, values)) Py_RETURN_NONE;
    char numbers[MOST_HOLES][LONGEST_NUMBER];
    Py_ssize_t lengths[MOST_HOLES], length = 0;
    for (int i = 0; i < self->holes; i++) {
        switch (self->hole[i]->kind) {
        case TEXT: lengths[i] = plain_length(values[i]); break;
        case BYTES:
            lengths[i] = Py_IS_TYPE(values[i], self->hole[i]->class) ? encoded_size(PyBytes_GET_SIZE(values[i])) : -1;
            break;
        case NUMBER: lengths[i] = number_text(values[i], numbers[i]); break;
        case ANYTHING: lengths[i] = -1; break;
        }
        if (lengths[i] < 0) Py_RETURN_NONE;
        length += lengths[i];
    }
    for (int i = 0; i <= self->holes; i++)
        length += PyBytes_GET_SIZE(PyTuple_GET_ITEM(self->texts, i));
    PyObject *written = PyUnicode_New(length, 127);
    if (written == NULL) return NULL;
    char *out = (char *)PyUnicode_1BYTE_DATA(written);
    for (int i = 0; i <= self->holes; i++) {
        PyObject *text = PyTuple_GET_ITEM(self->texts, i);
        memcpy(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text));
        out += PyBytes_GET_SIZE(text);
        if (i == self->holes) break;
        if (self->hole[i]->kind == NUMBER)
            memcpy(out, numbers[i], lengths[i]);
        else if (self->hole[i]->kind == TEXT)
            memcpy(out, PyUnicode_1BYTE_DATA(values[i]), lengths[i]);
        else
            encode((const uint8_t *)PyBytes_AS_STRING(values[i]), PyBytes_GET_SIZE(values[i]), out);
        out += lengths[i];
    }
    return written;
}

static PyMethodDef mould_methods[] = {
    {"make", (PyCFunction)(void (*)(void))mould_make, METH_FASTCALL,
     "A new object like the example, with these values in its holes."},
    {"read", (PyCFunction)mould_read, METH_O,
     "The object of a text like the example's, whose hole is base64; None: it is another."},
    {"write", (PyCFunction)mould_write, METH_O, "The text of an object that is like the example; None: it is not."},
    {NULL},
};

static PyTypeObject MouldType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "fullduplex._native.Mould",
    .tp_doc = "Mould(example[, texts]): messages that are like `example` but for its holes.",
    .tp_basicsize = sizeof(Mould),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = mould_new,
    .tp_dealloc = (destructor)mould_dealloc,
    .tp_methods = mould_methods,
};

/* -- bytes -------------------- */

static PyObject *framed(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || !PyByteArray_CheckExact(args[0]) || !PyBytes_Check(args[2]) || !PyBytes_Check(args[4])) {
        PyErr_SetString(PyExc_TypeError, "a bytearray, a number and three times bytes are wanted");
        return NULL;
    }
    const Py_ssize_t room = PyNumber_AsSsize_t(args[1], PyExc_OverflowError);
    if (room < 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "there is no room of less than nothing");
        return NULL;
    }
    Py_buffer data;
    if (PyObject_GetBuffer(args[3], &data, PyBUF_SIMPLE) < 0) return NULL;
    PyObject *frame = args[0];
    const Py_ssize_t before = PyBytes_GET_SIZE(args[2]), length = encoded_size(data.len);
    const Py_ssize_t behind = PyBytes_GET_SIZE(args[4]), size = room + before + length + behind;
    if (PyByteArray_GET_SIZE(frame) == size || PyByteArray_Resize(frame, size) == 0) {
        char *out = PyByteArray_AS_STRING(frame) + room;
        memcpy(out, PyBytes_AS_STRING(args[2]), before);
        encode(data.buf, data.len, out + before);
        memcpy(out + before + length, PyBytes_AS_STRING(args[4]), behind);
        Py_INCREF(frame);
    } else
        frame = NULL;
    PyBuffer_Release(&data);
    return frame;
}

/* Bytes that are a class of their own and, as bytes are, nothing to the garbage collector: no class written in Python
 * can be both. */
static void base64_dealloc(PyObject *self)
{
    PyTypeObject *class = Py_TYPE(self);
    class->tp_free(self);
    Py_DECREF(class);
}

static PyType_Slot base64_slots[] = {
    {Py_tp_doc, "Bytes that travel as base64 in JSON."},
    {Py_tp_dealloc, base64_dealloc},
    {0, NULL},
};
static PyType_Spec base64_spec = {"fullduplex.types.binary.Base64", 0, 0, Py_TPFLAGS_DEFAULT, base64_slots};

/* -- the module -------------------- */

static PyMethodDef functions[] = {
    {"framed", (PyCFunction)(void (*)(void))framed, METH_FASTCALL,
     "framed(frame, room, head, data, tail): `frame`, with URL-safe base64 of `data` between the others in it."},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_native", .m_doc = "See native.py.", .m_size = -1, .m_methods = functions,
};

PyMODINIT_FUNC PyInit__native(void)
{
    if (!__builtin_cpu_supports("ssse3")) {
        PyErr_SetString(PyExc_ImportError, "this processor has no SSSE3");
        return NULL;
    }
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    PyObject *base64 = PyType_FromSpecWithBases(&base64_spec, (PyObject *)&PyBytes_Type);
    const int added = base64 == NULL || PyModule_AddType(module, (PyTypeObject *)base64) < 0 ||
                              PyModule_AddType(module, &HoleType) < 0 || PyModule_AddType(module, &MouldType) < 0
                          ? -1
                          : 0;
    Py_XDECREF(base64);
    if (added < 0) Py_CLEAR(module);
    return module;
}
