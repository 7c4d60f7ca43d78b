// SPDX-License-Identifier: GPL-3.0-or-later
// Numpy arrays and dictionaries to and from PMT, by memory copies: what sdr_sc/blocks/runtime/vectors.py does through
// PMT's serialised form, byte by byte, where this module is not compiled.

#include <pmt/pmt.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <complex>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

namespace py = pybind11;

namespace {

constexpr std::size_t most_keys = 64;
constexpr std::size_t longest_text = 256;  // bytes of a text as a value, as in sdr_sc/link/network/pdu_wire.py

using MakeVector = pmt::pmt_t (*)(const void*, std::size_t);

template <typename T, pmt::pmt_t (*Make)(std::size_t, const T*)>
pmt::pmt_t made(const void* values, std::size_t count)
{
    return Make(count, static_cast<const T*>(values));
}

struct Kind {
    char letter;  // of numpy's type
    py::ssize_t size;
    MakeVector make;
    bool (*is)(pmt::pmt_t);
    const char* numpy;
};

const Kind kinds[] = {
    { 'c', 8, made<std::complex<float>, pmt::init_c32vector>, pmt::is_c32vector, "complex64" },
    { 'f', 4, made<float, pmt::init_f32vector>, pmt::is_f32vector, "float32" },
    { 'u', 1, made<std::uint8_t, pmt::init_u8vector>, pmt::is_u8vector, "uint8" },
    { 'i', 4, made<std::int32_t, pmt::init_s32vector>, pmt::is_s32vector, "int32" },
    { 'i', 8, made<std::int64_t, pmt::init_s64vector>, pmt::is_s64vector, "int64" },
    { 'f', 8, made<double, pmt::init_f64vector>, pmt::is_f64vector, "float64" },
    { 'i', 1, made<std::int8_t, pmt::init_s8vector>, pmt::is_s8vector, "int8" },
    { 'u', 2, made<std::uint16_t, pmt::init_u16vector>, pmt::is_u16vector, "uint16" },
    { 'i', 2, made<std::int16_t, pmt::init_s16vector>, pmt::is_s16vector, "int16" },
    { 'u', 4, made<std::uint32_t, pmt::init_u32vector>, pmt::is_u32vector, "uint32" },
    { 'u', 8, made<std::uint64_t, pmt::init_u64vector>, pmt::is_u64vector, "uint64" },
    { 'c', 16, made<std::complex<double>, pmt::init_c64vector>, pmt::is_c64vector, "complex128" },
};

// A uniform vector of one-dimensional values that lie one after the other; null where PMT has no such type.
pmt::pmt_t vector_of(const py::array& values)
{
    const py::dtype type = values.dtype();
    const bool is_plain = values.ndim() == 1 && type.attr("isnative").cast<bool>();
    if (!is_plain || (values.size() > 1 && values.strides(0) != type.itemsize())) {
        return nullptr;
    }
    for (const Kind& kind : kinds) {
        if (kind.letter == type.kind() && kind.size == type.itemsize()) {
            return kind.make(values.data(), static_cast<std::size_t>(values.size()));
        }
    }
    return nullptr;
}

// The values of a uniform vector in an array of its own; None where it is no vector.
py::object array_of(const pmt::pmt_t& vector)
{
    for (const Kind& kind : kinds) {
        if (kind.is(vector)) {
            std::size_t bytes = 0;
            const void* values = pmt::uniform_vector_elements(vector, bytes);
            py::array found(py::dtype(kind.numpy), static_cast<py::ssize_t>(bytes / kind.size));
            if (bytes > 0) {
                std::memcpy(found.mutable_data(), values, bytes);
            }
            return found;
        }
    }
    return py::none();
}

// A plain value; null for one of another type.
pmt::pmt_t value_of(py::handle value)
{
    PyObject* const raw = value.ptr();
    if (PyBool_Check(raw)) {
        return pmt::from_bool(raw == Py_True);
    }
    if (PyLong_CheckExact(raw)) {
        int overflow = 0;
        const long long number = PyLong_AsLongLongAndOverflow(raw, &overflow);
        return overflow == 0 ? pmt::from_long(static_cast<long>(number)) : nullptr;
    }
    if (PyFloat_CheckExact(raw)) {
        return pmt::from_double(PyFloat_AS_DOUBLE(raw));
    }
    if (PyUnicode_CheckExact(raw)) {
        Py_ssize_t size = 0;
        const char* text = PyUnicode_AsUTF8AndSize(raw, &size);
        if (text == nullptr) {
            throw py::error_already_set();
        }
        return pmt::intern(std::string(text, static_cast<std::size_t>(size)));
    }
    if (py::isinstance<py::array>(value)) {
        return vector_of(py::reinterpret_borrow<py::array>(value));
    }
    return nullptr;
}

py::object text_of(const pmt::pmt_t& symbol)
{
    const std::string text = pmt::symbol_to_string(symbol);
    PyObject* made = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
    if (made == nullptr) {
        PyErr_Clear();
        return py::none();
    }
    return py::reinterpret_steal<py::object>(made);
}

// A number, flag, short text or vector as Python's; false for another thing.
bool plain(const pmt::pmt_t& value, py::object& found)
{
    if (pmt::is_integer(value)) {
        found = py::int_(pmt::to_long(value));
    } else if (pmt::is_real(value)) {
        found = py::float_(pmt::to_double(value));
    } else if (pmt::is_symbol(value)) {
        if (pmt::symbol_to_string(value).size() > longest_text) {
            return false;
        }
        found = text_of(value);
        return !found.is_none();
    } else if (pmt::is_bool(value)) {
        found = py::bool_(pmt::to_bool(value));
    } else if (pmt::is_uint64(value)) {
        found = py::int_(pmt::to_uint64(value));
    } else if (pmt::is_complex(value)) {
        const std::complex<double> number = pmt::to_complex(value);
        found = py::reinterpret_steal<py::object>(PyComplex_FromDoubles(number.real(), number.imag()));
    } else {
        found = array_of(value);
        return !found.is_none();
    }
    return true;
}

py::object to_vector(const py::array& values)
{
    const pmt::pmt_t made = vector_of(values);
    return made ? py::cast(made) : py::none();
}

// A dictionary and a vector as a pair; `other` gives the PMT of a value that is not plain.
py::object to_pair(const py::dict& meta, const py::array& values, const py::function& other)
{
    const pmt::pmt_t vector = vector_of(values);
    if (!vector) {
        return py::none();
    }
    pmt::pmt_t dictionary = pmt::make_dict();
    for (const auto& [key, value] : meta) {
        if (!PyUnicode_CheckExact(key.ptr())) {
            return py::none();
        }
        pmt::pmt_t made = value_of(value);
        if (!made) {
            made = other(value).cast<pmt::pmt_t>();
        }
        // Keys of a dictionary differ: no search for each, as dict_add makes it.
        dictionary = pmt::acons(value_of(key), made, dictionary);
    }
    return py::cast(pmt::cons(dictionary, vector));
}

// A dictionary with text as keys and plain values, and a vector; None where the message holds something else.
py::object read_pair(const pmt::pmt_t& message)
{
    if (!pmt::is_pair(message)) {
        return py::none();
    }
    pmt::pmt_t entries = pmt::car(message);
    py::object values = array_of(pmt::cdr(message));
    if (values.is_none()) {
        return py::none();
    }
    py::dict meta;
    while (!pmt::is_null(entries)) {
        if (!pmt::is_dict(entries) || !pmt::is_pair(pmt::car(entries)) || meta.size() >= most_keys) {
            return py::none();
        }
        const pmt::pmt_t entry = pmt::car(entries);
        py::object key, value;
        if (!pmt::is_symbol(pmt::car(entry)) || !plain(pmt::cdr(entry), value)) {
            return py::none();
        }
        key = text_of(pmt::car(entry));
        if (key.is_none() || meta.contains(key)) {
            return py::none();
        }
        meta[key] = value;
        entries = pmt::cdr(entries);
    }
    return py::make_tuple(meta, values);
}

}  // namespace

PYBIND11_MODULE(pmt_arrays, module)
{
    module.def("to_vector", &to_vector);
    module.def("from_vector", &array_of);
    module.def("to_pair", &to_pair);
    module.def("read_pair", &read_pair);
}
