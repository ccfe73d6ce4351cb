// Model files of strangers: those that attacked other libraries, and others like them.
#include <gtest/gtest.h>
#include <hdf5.h>
#include <stoker/stoker.h>

#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "io/hdf5_writer.h"
#include "io/zip.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::message_of;
using test::TemporaryFolder;

using Members = std::vector<std::pair<std::string, std::string>>;

std::string archive(const Members& members) {
  std::string bytes;
  io::ZipWriter zip([&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  for (const auto& [name, text] : members) zip.member(name, text);
  zip.close();
  return bytes;
}

// The configuration of a Sequential with this layer behind an Input of 4.
std::string config_with(const std::string& layer) {
  return R"({"class_name": "Sequential", "config": {"name": "m", "layers": [
    {"class_name": "InputLayer", "config": {"batch_shape": [null, 4], "dtype": "float32",
     "name": "input"}}, )" +
         layer + "]}}";
}
std::string dense(const std::string& units) {
  return R"({"class_name": "Dense", "config": {"name": "dense", "units": )" + units + "}}";
}

std::string weights_of(const Model& model) {
  const TemporaryFolder folder;
  model.save_weights(folder / "a.weights.h5");
  return test::read_all(folder / "a.weights.h5");
}
std::string small_weights() { return weights_of(Sequential({Input({4}), Dense(2)})); }

class HostileFiles : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) {
    folder_.write(name, bytes);
    return folder_ / name;
  }
  template <class E = IoError>
  std::string refusal(const Members& members) {
    const std::string path = write("hostile.keras", archive(members));
    return message_of<E>([&] { Model::load(path); });
  }
  const TemporaryFolder folder_;
};

#define EXPECT_SAYS(message, word) EXPECT_NE((message).find(word), std::string::npos) << (message)

// After CVE-2024-3660, CVE-2025-9905 and CVE-2025-9906.
TEST_F(HostileFiles, NoBytecodeOfALambdaRuns) {
  const std::string lambda =
      R"({"module": "keras.layers", "class_name": "Lambda", "config": {"name": "lambda",
       "function": {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA", "defaults": null,
       "closure": null}}}, "registered_name": null})";
  const std::string message = refusal<ValueError>({{"config.json", config_with(lambda)}});
  EXPECT_SAYS(message, "Lambda");
  EXPECT_SAYS(message, "hostile.keras");
}

// The same in an older file, whose loader in Keras did not look.
TEST_F(HostileFiles, NoBytecodeRunsInAnOlderFile) {
  io::Hdf5Writer writer("old.h5");
  writer.group("model_weights");
  writer.text("/", "model_config",
              config_with(R"({"class_name": "Lambda", "config": {"name": "lambda",
               "function": ["4wEAAAAAAAAA", null, null], "function_type": "lambda"}})"));
  std::string bytes;
  writer.close();
  writer.write([&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  const std::string path = write("old.h5", bytes);
  EXPECT_SAYS(message_of<ValueError>([&] { Model::load(path); }), "Lambda");
}

// After CVE-2025-1550 and CVE-2025-8747: modules that a file names choose nothing.
TEST_F(HostileFiles, NoModuleOfAFileIsImported) {
  for (const char* layer :
       {R"({"module": "subprocess", "class_name": "run", "config": {"args": ["true"]},
         "registered_name": null})",
        R"({"module": "keras.utils", "class_name": "get_file", "config": {"fname": "x"},
         "registered_name": "get_file"})"}) {
    EXPECT_SAYS(refusal<ValueError>({{"config.json", config_with(layer)}}), "layers[1]");
  }
  const std::string config =
      R"({"class_name": "Dense", "config": {"name": "dense", "units": 2, "activation":
       {"module": "builtins", "class_name": "function", "config": "exec",
        "registered_name": "function"}}})";
  EXPECT_NE(refusal<ValueError>({{"config.json", config_with(config)}}), "");
}

// After CVE-2025-12060.
TEST_F(HostileFiles, NothingIsUnpackedOutsideOrInside) {
  for (const char* name : {"../escaped.txt", "/tmp/escaped.txt", "assets/vocabulary.txt",
                           "model.weights.npz", "config.json/"}) {
    const std::string message = refusal({{"config.json", config_with(dense("2"))}, {name, "x"}});
    EXPECT_SAYS(message, name);
  }
}

TEST_F(HostileFiles, AMissingMemberIsNamed) {
  EXPECT_SAYS(refusal({{"metadata.json", "{}"}}), "config.json");
  EXPECT_SAYS(refusal({{"config.json", config_with(dense("2"))}}), "model.weights.h5");
}

TEST_F(HostileFiles, JsonIsLimitedAndHasToBeWhole) {
  EXPECT_SAYS(refusal({{"config.json", "{\"class_name\": "}}), "config.json");
  EXPECT_SAYS(refusal({{"config.json", std::string(100'000, '[')}}), "config.json");
  EXPECT_NE(refusal<Error>({{"config.json", "[1, 2, 3]"}}), "");
}

// After CVE-2026-0897: no memory is taken for what the file does not hold.
TEST_F(HostileFiles, AnEnormousLayerTakesNoMemory) {
  const std::string weights = small_weights();
  const std::string message = refusal<ShapeError>(
      {{"config.json", config_with(dense("1099511627776"))}, {"model.weights.h5", weights}});
  EXPECT_SAYS(message, "expected (4, 1099511627776), received (4, 2)");
  const std::string two = dense("3000000000") + R"(, {"class_name": "Dense", "config":
    {"name": "second", "units": 9000000000}})";
  for (const std::string& layers : {dense("4611686018427387904"), two}) {
    EXPECT_NE(
        refusal<ShapeError>({{"config.json", config_with(layers)}, {"model.weights.h5", weights}}),
        "");
  }
}

// A file of one tensor that many names lead to.
TEST_F(HostileFiles, OneTensorIsNotReadForManyLayers) {
  const std::string path = folder_ / "many.weights.h5";
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
  const hid_t parents = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(parents, 1);
  const hsize_t extents[] = {256, 256};
  const hid_t set =
      H5Dcreate2(file, "layers/dense/vars/0", H5T_IEEE_F32LE, H5Screate_simple(2, extents, nullptr),
                 parents, H5P_DEFAULT, H5P_DEFAULT);
  const std::vector<float> values(256 * 256, 1.0f);
  H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  std::vector<Layer> layers{Input({256})};
  for (int i = 0; i < 20; ++i) {
    layers.push_back(Dense(256, {.use_bias = false}));
    if (i == 0) continue;
    H5Lcreate_hard(file, "layers/dense/vars/0", file,
                   ("layers/dense_" + std::to_string(i) + "/vars/0").c_str(), parents, H5P_DEFAULT);
  }
  H5Pclose(parents);
  H5Fclose(file);
  H5Pclose(access);
  Sequential model(layers);
  EXPECT_SAYS(message_of<IoError>([&] { model.load_weights(path); }), "can't hold");
}

// The optimizer's counters and rates are numbers that a training could have reached.
TEST_F(HostileFiles, AScalarOutOfRangeLeavesTheModelAsItWas) {
  Sequential model({Input({4}), Dense(2)});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  const auto write_with = [&](std::int32_t iterations, float rate) {
    io::Hdf5Writer writer("a.weights.h5");
    const auto zeros = [](std::uint64_t, std::span<std::byte> bytes) {
      std::ranges::fill(bytes, std::byte{0});
    };
    writer.group("layers/dense/vars");
    writer.dataset("layers/dense/vars/0", {4, 2}, DType::float32, zeros);
    writer.dataset("layers/dense/vars/1", {2}, DType::float32, zeros);
    writer.group("optimizer/vars");
    writer.dataset("optimizer/vars/0", {}, DType::int32, [=](std::uint64_t, auto bytes) {
      std::memcpy(bytes.data(), &iterations, bytes.size());
    });
    writer.dataset("optimizer/vars/1", {}, DType::float32, [=](std::uint64_t, auto bytes) {
      std::memcpy(bytes.data(), &rate, bytes.size());
    });
    writer.close();
    std::string bytes;
    writer.write([&](std::span<const std::byte> piece) {
      bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    });
    return write("a.weights.h5", bytes);
  };
  const auto before = model.get_weights()[0];
  const std::vector<std::pair<std::int32_t, float>> unreachable{
      {-1, 0.1f}, {1, -0.1f}, {1, std::numeric_limits<float>::quiet_NaN()}};
  for (const auto& [iterations, rate] : unreachable) {
    const std::string path = write_with(iterations, rate);
    EXPECT_SAYS(message_of<IoError>([&] { model.load_weights(path); }), "optimizer/vars/");
    EXPECT_EQ(std::memcmp(model.get_weights()[0].raw(), before.raw(), before.bytes()), 0);
  }
  model.load_weights(write_with(7, 0.25f));
  EXPECT_EQ(model.iterations(), 7);
  EXPECT_EQ(model.learning_rate(), 0.25);
}

// A file is cut off, or a byte of it is another one, wherever that is: an error of ours, or a
// model.
TEST_F(HostileFiles, DamageIsAnErrorOrAModel) {
  Sequential model({Input({4}), Dense(2)});
  model.save(folder_ / "whole.keras");
  const std::string whole = test::read_all(folder_ / "whole.keras");
  for (std::size_t at = 0; at < whole.size(); at += 61) {
    const std::string cut = write("cut.keras", whole.substr(0, at));
    EXPECT_NE(message_of<Error>([&] { Model::load(cut); }), "") << at;
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    const std::string path = write("changed.keras", changed);
    try {
      Model::load(path);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace stoker
