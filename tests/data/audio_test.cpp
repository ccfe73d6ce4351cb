#include "stoker/audio.h"

#include <gtest/gtest.h>
#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker::test {
namespace {

std::vector<float> ramp(std::size_t count) {
  std::vector<float> samples(count);
  for (std::size_t i = 0; i < count; ++i) {
    samples[i] = static_cast<float>(static_cast<int>(i % 64) - 32) / 64.0f;
  }
  return samples;
}

std::string write_sound(const TemporaryFolder& folder, const std::string& name, int format,
                        int channels, const std::vector<float>& samples, int rate = 8000) {
  const std::string path = folder.write(name, "");
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = channels;
  info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  EXPECT_NE(file, nullptr);
  sf_writef_float(file, samples.data(), static_cast<sf_count_t>(samples.size()) / channels);
  sf_close(file);
  return path;
}

std::vector<float> values_of(const Tensor& tensor) {
  return {tensor.data<float>().begin(), tensor.data<float>().end()};
}

class AudioFiles : public ::testing::Test {
 protected:
  const TemporaryFolder folder_;
};

TEST_F(AudioFiles, wav_and_flac_hold_the_samples_that_were_written) {
  const std::vector<float> samples = ramp(2000);
  for (const int format : {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_WAV | SF_FORMAT_PCM_U8,
                           SF_FORMAT_WAV | SF_FORMAT_PCM_24, SF_FORMAT_WAV | SF_FORMAT_PCM_32,
                           SF_FORMAT_WAV | SF_FORMAT_FLOAT, SF_FORMAT_WAV | SF_FORMAT_DOUBLE,
                           SF_FORMAT_FLAC | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_24}) {
    const Audio audio = read_audio(write_sound(folder_, "a", format, 2, samples, 44100));
    EXPECT_EQ(audio.samples.shape(), (Shape{1000, 2}));
    EXPECT_EQ(audio.sample_rate, 44100);
    EXPECT_EQ(values_of(audio.samples), samples) << std::hex << format;
  }
}

TEST_F(AudioFiles, files_that_are_cut_off_are_refused) {
  for (const int format : {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_16}) {
    const std::string path = write_sound(folder_, "a", format, 1, ramp(9000));
    const std::string whole = read_all(path);
    for (std::size_t size = 0; size < whole.size(); size += whole.size() / 23) {
      folder_.write("a", whole.substr(0, size));
      const std::string message = message_of<IoError>([&] { read_audio(path); });
      EXPECT_NE(message.find(path), std::string::npos) << message;
    }
  }
}

TEST_F(AudioFiles, absurd_lengths_are_refused) {
  const std::string path =
      write_sound(folder_, "a", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1, ramp(100));
  std::string bytes = read_all(path);
  const std::size_t data = bytes.find("data");
  ASSERT_NE(data, std::string::npos);
  bytes.replace(data + 4, 4, "\xff\xff\xff\xff");
  folder_.write("a", bytes);
  EXPECT_THROW(read_audio(path), IoError);

  const std::string flac =
      write_sound(folder_, "b", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1, ramp(5000));
  bytes = read_all(flac);
  // The count of samples is 36 bits of STREAMINFO.
  bytes[8 + 13] = static_cast<char>(bytes[8 + 13] | 0x0f);
  folder_.write("b", bytes);
  EXPECT_THROW(read_audio(flac), IoError);
  EXPECT_THROW(read_audio(path, {.max_bytes = 64}), IoError);
}

TEST_F(AudioFiles, other_kinds_of_files_are_not_offered) {
  const std::string aiff =
      write_sound(folder_, "a.wav", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 1, ramp(10));
  EXPECT_THROW(read_audio(aiff), IoError);
  const std::string adpcm =
      write_sound(folder_, "b.wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 1, ramp(1000));
  EXPECT_THROW(read_audio(adpcm), IoError);
}

class AudioFolders : public AudioFiles {
 protected:
  AudioFolders() {
    constexpr int kWav = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
    write_sound(folder_, "no/a.wav", kWav, 1, std::vector<float>(3, 0.25f));
    write_sound(folder_, "no/b.wav", kWav, 1, std::vector<float>(6, 0.5f));
    write_sound(folder_, "yes/c.wav", kWav, 2, {0.5f, 1.0f, -0.5f, 0.0f});
  }
};

TEST_F(AudioFolders, lengths_are_padded_and_cut) {
  const AudioFolder sounds =
      audio_folder(folder_.path(), {.output_sequence_length = 4, .shuffle = false});
  EXPECT_EQ(sounds.class_names, (std::vector<std::string>{"no", "yes"}));
  EXPECT_EQ(sounds.dataset.element_shapes()[0], (Shape{4, 1}));
  std::vector<std::vector<float>> all;
  std::vector<int> labels;
  for (const auto& [sound, label] : sounds.dataset) {
    all.emplace_back(sound.begin(), sound.end());
    labels.push_back(label[0]);
  }
  EXPECT_EQ(all, (std::vector<std::vector<float>>{
                     {0.25f, 0.25f, 0.25f, 0}, {0.5f, 0.5f, 0.5f, 0.5f}, {0.75f, -0.25f, 0, 0}}));
  EXPECT_EQ(labels, (std::vector<int>{0, 0, 1}));
}

TEST_F(AudioFolders, without_a_length_elements_have_their_own) {
  const AudioFolder sounds = audio_folder(folder_.path(), {.shuffle = false});
  EXPECT_THROW(sounds.dataset.batch(2), ShapeError);
  const auto batches = sounds.dataset.padded_batch(3, {Shape{Shape::kUnknown, 1}, Shape{}});
  for (const auto& [sound, label] : batches) EXPECT_EQ(sound.size(), 18u);
}

TEST_F(AudioFolders, other_channels_and_rates_are_errors_of_the_element) {
  const auto read = [&](const AudioFolderOptions& options) {
    for (const auto& [sound, label] : audio_folder(folder_.path(), options).dataset) {
      EXPECT_FALSE(sound.empty());
    }
  };
  EXPECT_THROW(read({.channels = 2}), DataError);
  EXPECT_THROW(read({.sample_rate = 16000}), DataError);
  EXPECT_NO_THROW(read({.sample_rate = 8000}));
  EXPECT_THROW(read({.output_sequence_length = 0}), ValueError);
  EXPECT_THROW(read({.channels = 0}), ValueError);
  EXPECT_THROW(read({.validation_split = 0.5}), ValueError);
  EXPECT_NO_THROW(read({.channels = 2, .on_error = OnError::skip}));
}

}  // namespace
}  // namespace stoker::test
