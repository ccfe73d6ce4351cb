// HDF5 files that would make a reader leave the file, or take memory that they do not hold.
#include <gtest/gtest.h>
#include <hdf5.h>

#include <functional>
#include <string>
#include <vector>

#include "io/hdf5.h"
#include "stoker/error.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker::io {
namespace {

using test::message_of;
using test::TemporaryFolder;

// Makes a file with libhdf5 itself, whose handles end with it.
void make(const std::string& path, const std::function<void(hid_t file)>& fill) {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
  ASSERT_GE(file, 0);
  fill(file);
  H5Fclose(file);
  H5Pclose(access);
}

hid_t space(std::vector<hsize_t> extents) {
  return H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
}

hid_t dataset(hid_t file, const char* name, hid_t type, std::vector<hsize_t> extents,
              const std::function<void(hid_t creation)>& set = {}) {
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  if (set) set(creation);
  const hid_t made =
      H5Dcreate2(file, name, type, space(std::move(extents)), H5P_DEFAULT, creation, H5P_DEFAULT);
  EXPECT_GE(made, 0);
  return made;
}

void fill(hid_t set, std::size_t count) {
  const std::vector<float> values(count, 1.5f);
  EXPECT_GE(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
}

void read_all(const Hdf5File& file, const std::string& path) {
  const auto found = file.dataset(path);
  if (!found) throw std::runtime_error("nothing is there");
  std::vector<float> values(static_cast<std::size_t>(found->shape.elements()));
  file.read(*found, DType::float32, std::as_writable_bytes(std::span(values)));
}

class HostileHdf5 : public ::testing::Test {
 protected:
  // The message of the error that reading `place` gives.
  std::string refusal(const std::function<void(hid_t file)>& contents,
                      const std::string& place = "data") {
    make(path_, contents);
    return message_of<IoError>([&] { read_all(Hdf5File(path_), place); });
  }
  void expect_refused(const std::string& word, const std::function<void(hid_t file)>& contents,
                      const std::string& place = "data") {
    const std::string message = refusal(contents, place);
    EXPECT_NE(message.find(path_), std::string::npos) << message;
    EXPECT_NE(message.find(word), std::string::npos) << message;
  }
  const TemporaryFolder folder_;
  const std::string path_ = folder_ / "hostile.h5";
};

TEST_F(HostileHdf5, soft_and_external_links_are_not_followed) {
  const std::string other = folder_ / "other.h5";
  make(other, [](hid_t file) { fill(dataset(file, "data", H5T_IEEE_F32LE, {4}), 4); });
  expect_refused("soft link", [](hid_t file) {
    fill(dataset(file, "real", H5T_IEEE_F32LE, {4}), 4);
    H5Lcreate_soft("/real", file, "data", H5P_DEFAULT, H5P_DEFAULT);
  });
  expect_refused("external link", [&](hid_t file) {
    H5Lcreate_external(other.c_str(), "/data", file, "data", H5P_DEFAULT, H5P_DEFAULT);
  });
  expect_refused(
      "external link",
      [&](hid_t file) {
        H5Lcreate_external(other.c_str(), "/", file, "group", H5P_DEFAULT, H5P_DEFAULT);
      },
      "group/data");
}

// After CVE-2026-1669.
TEST_F(HostileHdf5, external_storage_is_not_read) {
  folder_.write("secret.txt", "a secret of sixteen bytes or more");
  const std::string secret = folder_ / "secret.txt";
  expect_refused("external storage", [&](hid_t file) {
    dataset(file, "data", H5T_IEEE_F32LE, {4},
            [&](hid_t creation) { H5Pset_external(creation, secret.c_str(), 0, 16); });
  });
}

TEST_F(HostileHdf5, virtual_datasets_are_not_read) {
  const std::string other = folder_ / "other.h5";
  make(other, [](hid_t file) { fill(dataset(file, "data", H5T_IEEE_F32LE, {4}), 4); });
  expect_refused("virtual dataset", [&](hid_t file) {
    dataset(file, "data", H5T_IEEE_F32LE, {4}, [&](hid_t creation) {
      H5Pset_virtual(creation, space({4}), other.c_str(), "/data", space({4}));
    });
  });
}

TEST_F(HostileHdf5, filters_are_deflate_shuffle_and_fletcher32) {
  expect_refused("received filter", [](hid_t file) {
    dataset(file, "data", H5T_STD_I32LE, {64}, [](hid_t creation) {
      const hsize_t chunk = 64;
      H5Pset_chunk(creation, 1, &chunk);
      H5Pset_scaleoffset(creation, H5Z_SO_INT, 0);
    });
  });
  make(path_, [](hid_t file) {
    fill(dataset(file, "data", H5T_IEEE_F32LE, {64},
                 [](hid_t creation) {
                   const hsize_t chunk = 16;
                   H5Pset_chunk(creation, 1, &chunk);
                   H5Pset_shuffle(creation);
                   H5Pset_deflate(creation, 6);
                   H5Pset_fletcher32(creation);
                 }),
         64);
  });
  EXPECT_NO_THROW(read_all(Hdf5File(path_), "data"));
}

// After CVE-2026-0897.
TEST_F(HostileHdf5, a_shape_takes_no_memory_that_the_file_does_not_hold) {
  const hsize_t huge = hsize_t{1} << 40;
  expect_refused("but the file holds 0",
                 [&](hid_t file) { dataset(file, "data", H5T_IEEE_F32LE, {huge}); });
  expect_refused("but the file holds 0", [&](hid_t file) {
    dataset(file, "data", H5T_IEEE_F32LE, {huge}, [](hid_t creation) {
      const hsize_t chunk = 16;
      H5Pset_chunk(creation, 1, &chunk);
      H5Pset_deflate(creation, 9);
    });
  });
  expect_refused("but the file holds", [&](hid_t file) {
    const hid_t set = dataset(file, "data", H5T_IEEE_F32LE, {huge}, [](hid_t creation) {
      const hsize_t chunk = 16;
      H5Pset_chunk(creation, 1, &chunk);
      H5Pset_deflate(creation, 9);
    });
    const hsize_t begin = 0, count = 16;
    const hid_t part = H5Dget_space(set);
    H5Sselect_hyperslab(part, H5S_SELECT_SET, &begin, nullptr, &count, nullptr);
    const std::vector<float> values(16, 1.5f);
    H5Dwrite(set, H5T_NATIVE_FLOAT, space({16}), part, H5P_DEFAULT, values.data());
  });
}

TEST_F(HostileHdf5, products_of_extents_may_not_overflow) {
  const hsize_t large = hsize_t{1} << 32;
  const std::string message = refusal([&](hid_t file) {
    dataset(file, "data", H5T_IEEE_F32LE, {large, large / 8});
  });
  EXPECT_NE(message, "");
}

TEST_F(HostileHdf5, a_chunk_is_no_larger_than_its_tensor) {
  expect_refused("expected chunks of at most", [](hid_t file) {
    const hsize_t extent = 16, most = H5S_UNLIMITED, chunk = hsize_t{1} << 22;
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 1, &chunk);
    H5Pset_alloc_time(creation, H5D_ALLOC_TIME_INCR);
    H5Pset_deflate(creation, 1);
    const hid_t set = H5Dcreate2(file, "data", H5T_IEEE_F32LE, H5Screate_simple(1, &extent, &most),
                                 H5P_DEFAULT, creation, H5P_DEFAULT);
    fill(set, 16);
  });
}

TEST_F(HostileHdf5, types_and_ranks_are_those_of_tensors) {
  expect_refused("received another type", [](hid_t file) {
    const hid_t pair = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(pair, "a", 0, H5T_IEEE_F32LE);
    H5Tinsert(pair, "b", 4, H5T_IEEE_F32LE);
    dataset(file, "data", pair, {4});
  });
  expect_refused("received another type",
                 [](hid_t file) { dataset(file, "data", H5Tvlen_create(H5T_IEEE_F32LE), {4}); });
  expect_refused("received another type", [](hid_t file) {
    const hid_t odd = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(odd, 31, 20, 11, 0, 20);
    dataset(file, "data", odd, {4});
  });
  expect_refused("received another type",
                 [](hid_t file) { dataset(file, "data", H5Tcreate(H5T_OPAQUE, 2), {4}); });
  expect_refused("expected at most 8 axes", [](hid_t file) {
    dataset(file, "data", H5T_IEEE_F32LE, std::vector<hsize_t>(9, 1));
  });
  expect_refused("expected a dataset", [](hid_t file) {
    H5Gcreate2(file, "data", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  });
}

TEST_F(HostileHdf5, groups_that_contain_themselves_end_at_a_limit) {
  make(path_, [](hid_t file) {
    H5Gcreate2(file, "loop", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "/loop", file, "/loop/loop", H5P_DEFAULT, H5P_DEFAULT);
  });
  const Hdf5File file(path_);
  std::string place = "loop";
  for (int i = 0; i < 100; ++i) place += "/loop";
  EXPECT_NE(message_of<IoError>([&] { file.children(place); }), "");
}

// libhdf5 1.10 reads texts of variable length without looking where their heap ends.
TEST_F(HostileHdf5, texts_of_variable_length_end_in_their_heap) {
  make(path_, [](hid_t file) {
    const hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    const hid_t made = H5Acreate2(file, "names", text, space({3}), H5P_DEFAULT, H5P_DEFAULT);
    const char* texts[] = {"first", "", "the third one"};
    EXPECT_GE(H5Awrite(made, text, texts), 0);
    H5Tclose(text);
  });
  const std::vector<std::string> written{"first", "", "the third one"};
  ASSERT_EQ(Hdf5File(path_).texts("", "names"), written);
  const std::string whole = test::read_all(path_);
  ASSERT_EQ(Hdf5File("image", std::as_bytes(std::span(whole))).texts("", "names"), written);

  const std::size_t heap = whole.find("GCOL");
  ASSERT_NE(heap, std::string::npos);
  const auto address = static_cast<std::uint64_t>(heap);
  const std::string stored(reinterpret_cast<const char*>(&address), sizeof address);
  const std::size_t reference = whole.find(stored);  // After the length, and before the index.
  ASSERT_NE(reference, std::string::npos);
  int refused = 0, changed = 0;
  const auto damage = [&](std::size_t at, char value) {
    std::string bytes = whole;
    bytes[at] = value;
    for (const bool is_on_disk : {false, true}) {
      if (is_on_disk && at % 32 != 0) continue;
      if (is_on_disk) folder_.write("hostile.h5", bytes);
      try {
        const auto found =
            is_on_disk ? Hdf5File(path_).texts("", "names")
                       : Hdf5File("image", std::as_bytes(std::span(bytes))).texts("", "names");
        changed += found == written ? 0 : 1;
      } catch (const IoError&) {
        ++refused;
      }
    }
  };
  for (const char value : {'\x00', '\x01', '\x10', '\x7f', '\xff'}) {
    for (std::size_t at = heap; at < heap + 80; ++at) damage(at, value);
    for (std::size_t at = reference - 4; at < reference + 44; ++at) damage(at, value);
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(changed, 10);
  folder_.write("hostile.h5", whole.substr(0, heap + 20));
  EXPECT_THROW(Hdf5File(path_).texts("", "names"), IoError);
}

TEST_F(HostileHdf5, half_double_and_big_endian_floats_are_converted) {
  make(path_, [](hid_t file) {
    fill(dataset(file, "double", H5T_IEEE_F64BE, {3}), 3);
    const hid_t half = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    fill(dataset(file, "half", half, {3}), 3);
  });
  const Hdf5File file(path_);
  for (const char* place : {"double", "half"}) {
    std::vector<float> values(3);
    file.read(*file.dataset(place), DType::float32, std::as_writable_bytes(std::span(values)));
    EXPECT_EQ(values, (std::vector<float>{1.5f, 1.5f, 1.5f})) << place;
  }
}

}  // namespace
}  // namespace stoker::io
