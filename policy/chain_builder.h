// Gathers what the rules of one chain allow, and makes the chain of it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "policy/address_ranges.h"
#include "policy/port_set.h"
#include "towpath/policy/ruleset.h"

namespace towpath::policy {

// Gives out names made from what they stand for: the same for the same, and never one for two.
class Names {
 public:
  std::string chain(std::string_view prefix, const std::string& meaning);
  ClassId port_class(const PortClass& spans);

 private:
  std::map<std::string, std::string> chains_;  // name to meaning
  std::map<ClassId, PortClass> classes_;
};

class ChainBuilder {
 public:
  explicit ChainBuilder(Direction direction) : direction_(direction) {}

  // An empty set of ports is ignored.
  void allow_everybody(const PortSet& ports);
  void allow_host(const IpAddress& address, const PortSet& ports);
  void allow_network(const AddressRange& range, const PortSet& ports);

  // Adds the classes that the chain names.
  PolicyChain build(std::map<ClassId, PortClass>& classes, Names& names);

 private:
  using Marks = std::set<std::size_t>;  // of entries of ports_
  std::size_t mark_of(const PortSet& ports);

  Direction direction_;
  std::vector<PortSet> ports_;
  std::map<PortSet, std::size_t> marks_;
  Marks everybody_;
  std::map<IpAddress, Marks> hosts_;
  std::vector<MarkedRange> networks_;
};

}  // namespace towpath::policy
