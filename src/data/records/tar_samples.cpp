#include "stoker/tar_samples.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/format.h"
#include "data/limits.h"
#include "data/npy_format.h"
#include "data/records/content.h"
#include "data/records/sharded.h"
#include "data/records/tar.h"
#include "stoker/config.h"
#include "stoker/error.h"

namespace stoker {
namespace data {
namespace {

// An extension may have dots, as "mask.png" has; what a member is stands behind the last one.
std::string_view kind_of(std::string_view extension) {
  const std::size_t dot = extension.rfind('.');
  return dot == std::string_view::npos ? extension : extension.substr(dot + 1);
}
bool is_image(std::string_view extension) {
  const std::string_view kind = kind_of(extension);
  return kind == "png" || kind == "jpg" || kind == "jpeg";
}
bool is_class(std::string_view extension) {
  extension = kind_of(extension);
  return extension == "cls" || extension == "cls2" || extension == "id" || extension == "index";
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// A name's sample, and what kind of member it is. The sample is empty for hidden files.
struct Split {
  std::string_view sample;
  std::string extension;
};
Split split(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
  const std::size_t dot = name.find('.', begin);
  if (dot == std::string_view::npos) return {name, {}};
  if (dot == begin) return {{}, {}};
  return {name.substr(0, dot), lower(name.substr(dot + 1))};
}

struct Wanted {
  std::vector<std::string> extensions;
  Declared declared;
  std::string key;
};

Wanted wanted_of(const TarField& field, DType dtype) {
  Wanted wanted{{}, {field.shape, dtype}, field.key};
  for (std::size_t begin = 0; begin <= field.extension.size();) {
    const std::size_t end = std::min(field.extension.find(';', begin), field.extension.size());
    wanted.extensions.push_back(
        lower(std::string_view(field.extension).substr(begin, end - begin)));
    begin = end + 1;
  }
  const auto images = std::ranges::count_if(wanted.extensions, is_image);
  const auto count = static_cast<std::ptrdiff_t>(wanted.extensions.size());
  if (std::ranges::find(wanted.extensions, "") != wanted.extensions.end() ||
      (images != 0 && images != count)) {
    throw ValueError(
        format("tar_samples: expected extensions, of images or of others, as in "
               "\"jpg;png\", received \"",
               field.extension, "\""));
  }
  check_declared("tar_samples", field.extension, wanted.declared, images != 0);
  return wanted;
}

// A member that a sample needs.
struct Member {
  RecordPlace place;
  std::uint64_t offset = 0;    // in the archive, for messages
  std::uint8_t extension = 0;  // among those of its field
  bool is_there = false;
};

void put_class(const std::string& name, Bytes bytes, const Declared& declared,
               const ComponentMemory& to) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::string_view kSpaces = " \t\r\n";
  while (!text.empty() && kSpaces.find(text.front()) != kSpaces.npos) text.remove_prefix(1);
  while (!text.empty() && kSpaces.find(text.back()) != kSpaces.npos) text.remove_suffix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    throw IoError(format(name, ": expected a whole number as text, received ",
                         text.size() > 40 ? "other text" : format("\"", text, "\"")));
  }
  put_integers(name, {&value, 1}, declared, to);
}

void put_json(const std::string& name, Bytes bytes, const std::string& key,
              const Declared& declared, const ComponentMemory& to) {
  const Config all = Config::from_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const Config* found = key.empty() ? &all : all.is_map() ? all.find(key) : nullptr;
  if (found == nullptr) {
    throw IoError(format(name, ": expected a number at the key \"", key, "\", received none"));
  }
  const Config::List one{*found};
  const Config::List& items = found->is_list() ? found->list_items() : one;
  const bool are_integers = std::ranges::all_of(items, &Config::is_integer);
  std::vector<std::int64_t> integers;
  std::vector<float> floats;
  for (const Config& item : items) {
    if (!item.is_number()) {
      throw IoError(format(name, ": expected a number or a list of numbers at \"", key,
                           "\", received ", item.described()));
    }
    if (are_integers) {
      integers.push_back(item.integer());
    } else {
      floats.push_back(static_cast<float>(item.number()));
    }
  }
  if (are_integers) return put_integers(name, integers, declared, to);
  put_floats(name, floats, declared, to);
}

class FileInput final : public TarInput {
 public:
  explicit FileInput(const InputFile& file) : file_(file), window_(file) {}
  std::size_t read(std::span<std::byte> to) override {
    const auto bytes = window_.at(at_, to.size());
    std::memcpy(to.data(), bytes.data(), bytes.size());
    at_ += bytes.size();
    return bytes.size();
  }
  bool skip(std::uint64_t bytes) override {
    if (bytes > file_.size() - at_) return false;
    at_ += bytes;
    return true;
  }

 private:
  const InputFile& file_;
  FileWindow window_;
  std::uint64_t at_ = 0;
};

class SourceInput final : public TarInput {
 public:
  explicit SourceInput(const std::string& path) : source_(path) {}
  std::size_t read(std::span<std::byte> to) override { return source_.read(to); }
  bool skip(std::uint64_t bytes) override {
    std::array<std::byte, 1 << 14> piece;
    while (bytes > 0) {
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, piece.size()));
      if (source_.read(std::span(piece).first(wanted)) != wanted) return false;
      bytes -= wanted;
    }
    return true;
  }

 private:
  ByteSource source_;
};

class TarSamples final : public ShardedRecords {
 public:
  TarSamples(const std::vector<std::string>& shards, std::vector<Wanted> wanted,
             const RecordOptions& options)
      : ShardedRecords("tar_samples", shards, options), wanted_(std::move(wanted)) {
    index_shards([this](const InputFile& file) { return index(file); },
                 [](std::span<const std::byte>) { return false; });
  }

  void read(std::int32_t number, Components to) const override {
    const std::size_t shard = shard_of(number);
    const auto members = std::span(members_).subspan(
        static_cast<std::size_t>(number) * wanted_.size(), wanted_.size());
    require_all(files_.paths()[shard], members);
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (is_large_raw(i, members[i])) {
        read_raw(shard, i, members[i], to[i]);
      } else {
        put(files_.paths()[shard], i, members[i], fetch(shard, members[i].place), to[i]);
      }
    }
  }

 protected:
  std::unique_ptr<ShardReader> read_shard(const std::string& path) const override {
    return std::make_unique<Reader>(*this, path);
  }

 private:
  // Returns the number of the field that wants members of this extension, and of the extension in
  // it; nothing if none does.
  std::optional<std::pair<std::size_t, std::uint8_t>> field_of(const std::string& extension,
                                                               std::size_t from) const {
    for (std::size_t i = from; i < wanted_.size(); ++i) {
      const auto& all = wanted_[i].extensions;
      const auto found = std::ranges::find(all, extension);
      if (found != all.end()) return {{i, static_cast<std::uint8_t>(found - all.begin())}};
    }
    return std::nullopt;
  }

  std::size_t index(const InputFile& file) {
    FileInput input(file);
    TarReader reader(file.path(), input);
    std::size_t samples = 0;
    std::string current;
    while (const auto member = reader.next()) {
      const Split name = split(member->name);
      if (name.sample.empty()) continue;
      if (samples == 0 || name.sample != current) {
        current = name.sample;
        ++samples;
        // An error of the sample names the place where it begins.
        members_.resize(members_.size() + wanted_.size(), {.place = {}, .offset = member->offset});
      }
      const auto sample = std::span(members_).last(wanted_.size());
      set_member(sample, name.extension, *member, {member->offset, member->bytes}, reader);
    }
    return samples;
  }
  void set_member(std::span<Member> sample, const std::string& extension, const TarMember& found,
                  const RecordPlace& place, const TarReader& reader) const {
    for (auto field = field_of(extension, 0); field;
         field = field_of(extension, field->first + 1)) {
      Member& member = sample[field->first];
      if (member.is_there && member.extension == field->second) {
        reader.fail(found.offset,
                    format("expected one member .", extension, " in each sample, received two"));
      }
      // Of several alternatives the one that is named first counts.
      if (member.is_there && member.extension < field->second) continue;
      member.place = place;
      member.offset = found.offset;
      member.extension = field->second;
      member.is_there = true;
    }
  }

  // Returns whether the member is bytes that are worth a call of the system by themselves, which
  // then needs no copy.
  bool is_large_raw(std::size_t field, const Member& member) const {
    constexpr std::uint64_t kLarge = 4096;
    const std::string& extension = wanted_[field].extensions[member.extension];
    return member.place.bytes >= kLarge && !is_image(extension) && !is_class(extension) &&
           kind_of(extension) != "json" && kind_of(extension) != "npy";
  }
  void read_raw(std::size_t shard, std::size_t field, const Member& member,
                const ComponentMemory& to) const {
    const Wanted& wanted = wanted_[field];
    try {
      if (member.place.bytes > options_.limits.max_bytes) {
        throw IoError(format("expected at most ", bytes_text(options_.limits.max_bytes),
                             " bytes (ReadLimits::max_bytes), received ", member.place.bytes));
      }
      const auto place = take_raw("bytes", member.place.bytes, wanted.declared, to);
      const std::size_t read = files_.open(shard)->read_at(member.place.offset, place);
      if (read != place.size()) {
        throw IoError(format("truncated: expected ", place.size(), " bytes, received ", read));
      }
    } catch (const Error& error) {
      throw IoError(format(files_.paths()[shard], ", offset ", member.offset, ", member .",
                           wanted.extensions[member.extension], ": ", error.what()));
    }
  }
  void require_all(const std::string& path, std::span<const Member> members) const {
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (members[i].is_there) continue;
      throw IoError(format(path, ", offset ", members[i].offset, ": expected a member .",
                           wanted_[i].extensions[0], " of the sample, received none"));
    }
  }
  void put(const std::string& path, std::size_t field, const Member& member, Bytes bytes,
           const ComponentMemory& to) const {
    const Wanted& wanted = wanted_[field];
    const std::string& extension = wanted.extensions[member.extension];
    try {
      if (is_image(extension)) {
        put_image(extension, bytes, wanted.declared, options_.image_limits, to);
      } else if (is_class(extension)) {
        put_class(extension, bytes, wanted.declared, to);
      } else if (kind_of(extension) == "json") {
        put_json(extension, bytes, wanted.key, wanted.declared, to);
      } else if (kind_of(extension) == "npy") {
        const NpyOptions options{.convert = true, .limits = options_.limits};
        put_tensor(extension, npy::parse(bytes, options, extension), wanted.declared, to);
      } else {
        put_raw(extension, bytes, wanted.declared, to);
      }
    } catch (const Error& error) {
      // A message that names the place costs time, and is made where it is needed.
      throw IoError(format(path, ", offset ", member.offset, ", member .", error.what()));
    }
  }

  class Reader final : public ShardReader {
   public:
    Reader(const TarSamples& samples, const std::string& path)
        : samples_(samples), path_(path), input_(path), tar_(path, input_) {}

    bool next(Components to) override {
      is_lost_ = true;
      if (!has_begun_) pending_ = tar_.next();
      has_begun_ = true;
      while (pending_ && split(pending_->name).sample.empty()) pending_ = tar_.next();
      if (!pending_) return false;
      const std::string sample(split(pending_->name).sample);
      std::vector<Member> members(samples_.wanted_.size(),
                                  {.place = {}, .offset = pending_->offset});
      memory_.clear();
      // Members of one name may have other ones without between them.
      while (pending_) {
        const Split name = split(pending_->name);
        if (!name.sample.empty() && name.sample != sample) break;
        if (!name.sample.empty() && samples_.field_of(name.extension, 0)) {
          const std::size_t begin = memory_.size();
          load(pending_->bytes);
          // The place of what is in memory now.
          samples_.set_member(members, name.extension, *pending_, {begin, pending_->bytes}, tar_);
        }
        pending_ = tar_.next();
      }
      is_lost_ = false;
      samples_.require_all(path_, members);
      for (std::size_t i = 0; i < members.size(); ++i) {
        const RecordPlace& place = members[i].place;
        samples_.put(path_, i, members[i],
                     Bytes(memory_).subspan(static_cast<std::size_t>(place.offset),
                                            static_cast<std::size_t>(place.bytes)),
                     to[i]);
      }
      return true;
    }

   private:
    // Appends the data of a member. Memory grows with what is there, whatever the header says.
    void load(std::uint64_t bytes) {
      const std::uint64_t most = samples_.options_.limits.max_bytes;
      if (bytes > most || memory_.size() > most - bytes) {
        tar_.fail(pending_->offset, format("expected a sample of at most ", bytes_text(most),
                                           " bytes (ReadLimits::max_bytes), received more"));
      }
      constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
      for (std::uint64_t left = bytes; left > 0;) {
        const auto piece = static_cast<std::size_t>(std::min(kPiece, left));
        memory_.resize(memory_.size() + piece);
        tar_.read(std::span(memory_).last(piece));
        left -= piece;
      }
    }

    const TarSamples& samples_;
    const std::string path_;
    SourceInput input_;
    TarReader tar_;
    std::optional<TarMember> pending_;
    bool has_begun_ = false;
    std::vector<std::byte> memory_;
  };

  const std::vector<Wanted> wanted_;
  std::vector<Member> members_;  // those of the first sample, of the second, ...
};

}  // namespace
}  // namespace data

namespace detail {

std::shared_ptr<const Records> open_tar_samples(const std::vector<std::string>& shards,
                                                std::span<const TarField> fields,
                                                std::span<const DType> dtypes,
                                                const RecordOptions& options) {
  std::vector<data::Wanted> wanted;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    wanted.push_back(data::wanted_of(fields[i], dtypes[i]));
  }
  return std::make_shared<data::TarSamples>(shards, std::move(wanted), options);
}

}  // namespace detail
}  // namespace stoker
