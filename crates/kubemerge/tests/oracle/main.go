// Command oracle answers what the structured-merge-diff library makes of one operation. It reads requests as JSON lines and writes
// one line for each: the object, who owns what, or the conflicts. The crate's tests compare these answers with their own.
//
// A request holds its schema (in the library's own notation), the live object, the owners, and one operation, so that every
// answer stands for itself. The import paths are those of version 4; the programme builds with version 6 as well when
// the paths are changed and the remark about AllowDuplicates becomes code.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"

	"sigs.k8s.io/structured-merge-diff/v4/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v4/merge"
	"sigs.k8s.io/structured-merge-diff/v4/typed"
	"sigs.k8s.io/structured-merge-diff/v4/value"
)

// version is the only one that the driver knows: nothing is ever converted.
const version = fieldpath.APIVersion("v1")

type owned struct {
	Applied bool            `json:"applied"`
	Fields  json.RawMessage `json:"fields"`
}

type request struct {
	Schema    string           `json:"schema"`
	Live      json.RawMessage  `json:"live"`
	Object    json.RawMessage  `json:"object"`
	Owners    map[string]owned `json:"owners"`
	Operation string           `json:"operation"`
	Manager   string           `json:"manager"`
	Force     bool             `json:"force"`
}

type answer struct {
	Object    json.RawMessage  `json:"object,omitempty"`
	Owners    map[string]owned `json:"owners,omitempty"`
	Conflicts []string         `json:"conflicts,omitempty"`
	Error     string           `json:"error,omitempty"`
}

// same is a converter between versions of which there is one.
type same struct{}

func (same) Convert(object *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return object, nil
}

func (same) IsMissingVersionError(error) bool { return false }

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	var parser *typed.Parser
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var req request
		if err := json.Unmarshal(line, &req); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if req.Schema != "" {
			if parser, err = typed.NewParser(typed.YAMLObject(req.Schema)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		text, err := json.Marshal(serve(parser, &req))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		out.Write(append(text, '\n'))
		out.Flush()
	}
}

func serve(parser *typed.Parser, req *request) answer {
	object, owners, err := run(parser, req)
	var conflicts merge.Conflicts
	switch {
	case errors.As(err, &conflicts):
		out := answer{}
		for _, one := range conflicts {
			out.Conflicts = append(out.Conflicts, one.Manager+" "+one.Path.String())
		}
		sort.Strings(out.Conflicts)
		return out
	case err != nil:
		return answer{Error: err.Error()}
	}
	out := answer{Owners: map[string]owned{}}
	if out.Object, err = value.ToJSON(object.AsValue()); err != nil {
		return answer{Error: err.Error()}
	}
	for name, set := range owners {
		fields, err := set.Set().ToJSON()
		if err != nil {
			return answer{Error: err.Error()}
		}
		out.Owners[name] = owned{Applied: set.Applied(), Fields: fields}
	}
	return out
}

func run(parser *typed.Parser, req *request) (*typed.TypedValue, fieldpath.ManagedFields, error) {
	read := func(raw json.RawMessage, lenient bool) (*typed.TypedValue, error) {
		decoded, err := value.FromJSON(raw)
		if err != nil {
			return nil, err
		}
		if lenient {
			// Version 6 reads objects that have list items with the same key when it is asked to.
			return parser.Type("root").FromUnstructured(decoded.Unstructured() /*, typed.AllowDuplicates */)
		}
		return parser.Type("root").FromUnstructured(decoded.Unstructured())
	}
	live, err := read(req.Live, true)
	if err != nil {
		return nil, nil, fmt.Errorf("live: %v", err)
	}
	object, err := read(req.Object, req.Operation == "update")
	if err != nil {
		return nil, nil, fmt.Errorf("object: %v", err)
	}
	owners := fieldpath.ManagedFields{}
	for name, one := range req.Owners {
		set := &fieldpath.Set{}
		if err := set.FromJSON(bytes.NewReader(one.Fields)); err != nil {
			return nil, nil, err
		}
		owners[name] = fieldpath.NewVersionedSet(set, version, one.Applied)
	}
	updater := &merge.Updater{Converter: same{}}
	if req.Operation == "update" {
		return updater.Update(live, object, version, owners, req.Manager)
	}
	merged, after, err := updater.Apply(live, object, version, owners, req.Manager, req.Force)
	if err == nil && merged == nil {
		merged = live // nothing changed
	}
	return merged, after, err
}
