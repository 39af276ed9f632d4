package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/jupyterhub-share-proxy/share-proxy"

// layers of the program; arrows point down only.
var layers = []string{"authz", "sharecode", "proxy", "cmd"}

// arrow is one import of one file.
type arrow struct {
	file string // path in the module
	pkg  string // folder of the file
	to   string // what is imported, our own packages by their folder
	own  bool   // whether to is ours
}

func (a arrow) std() bool  { return !a.own && !strings.Contains(strings.Split(a.to, "/")[0], ".") }
func (a arrow) test() bool { return strings.HasSuffix(a.file, "_test.go") }

// rules say what is wrong with an arrow. Tests are bound by those about third
// parties and old packages only.
var rules = []struct {
	name   string
	tests  bool
	broken func(a arrow) bool
}{
	{"arrows point down only: cmd, proxy, sharecode, authz", false, func(a arrow) bool {
		return a.own && layer(a.to) > layer(a.pkg)
	}},
	{"nothing imports cmd", false, func(a arrow) bool { return a.own && layer(a.to) == layer("cmd") }},
	{"authz imports the standard library only", false, func(a arrow) bool { return a.pkg == "authz" && !a.std() }},
	{"authz decides; it neither speaks HTTP nor logs", false, func(a arrow) bool {
		return a.pkg == "authz" && (a.to == "net/http" || a.to == "log/slog")
	}},
	{"heads and targets are pure", false, func(a arrow) bool {
		return (a.pkg == "proxy/head" || a.pkg == "proxy/target") && slices.Contains([]string{"net", "net/http", "log/slog", "os"}, a.to)
	}},
	{"heads and targets know nothing of ours but each other", false, func(a arrow) bool {
		return (a.pkg == "proxy/head" || a.pkg == "proxy/target") && a.own && a.to != "proxy/target"
	}},
	{"live knows of ours authz only", false, func(a arrow) bool { return a.pkg == "proxy/live" && a.own && a.to != "authz" }},
	{"the rooms of proxy do not import proxy", false, func(a arrow) bool {
		return strings.HasPrefix(a.pkg, "proxy/") && a.own && a.to == "proxy"
	}},
	{"go-redis is for files named redis.go and for cmd", true, func(a arrow) bool {
		name := strings.TrimSuffix(path.Base(a.file), "_test.go")
		return strings.HasPrefix(a.to, "github.com/redis/go-redis") &&
			strings.TrimSuffix(name, ".go") != "redis" && layer(a.pkg) != layer("cmd")
	}},
	{"bbolt is for the log's local file", true, func(a arrow) bool {
		return strings.HasPrefix(a.to, "go.etcd.io/bbolt") && (a.pkg != "authz/ledger" || !strings.HasPrefix(path.Base(a.file), "file"))
	}},
	{"rooms of authz know no other third party than go-redis and bbolt", true, func(a arrow) bool {
		return strings.HasPrefix(a.pkg, "authz/") && !a.own && !a.std() &&
			!strings.HasPrefix(a.to, "github.com/redis/go-redis") && !strings.HasPrefix(a.to, "go.etcd.io/bbolt")
	}},
	{"math/rand/v2, io and os instead", true, func(a arrow) bool { return a.to == "math/rand" || a.to == "io/ioutil" }},
}

// layer returns the height of a folder, -1 for one that has none.
func layer(pkg string) int {
	top, _, _ := strings.Cut(pkg, "/")
	return slices.Index(layers, top)
}

// violations returns what breaks a rule in the Go files of a module, with the
// file's path. Folders with a module of their own are left out.
func violations(module fs.FS) (found []string, files int, err error) {
	err = fs.WalkDir(module, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, statErr := fs.Stat(module, path.Join(name, "go.mod"))
			if name != "." && (statErr == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		source, err := fs.ReadFile(module, name)
		if err != nil {
			return err
		}
		files++
		inFile, err := fileViolations(name, source)
		found = append(found, inFile...)
		return err
	})
	return found, files, err
}

func fileViolations(name string, source []byte) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, spec := range file.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		a := arrow{file: name, pkg: path.Dir(name)}
		a.to, a.own = strings.CutPrefix(to, module+"/")
		for _, rule := range rules {
			if (rule.tests || !a.test()) && rule.broken(a) {
				found = append(found, fmt.Sprintf("%s imports %s: %s", name, to, rule.name))
			}
		}
	}
	// The type is what net/http takes for its errors; slog.NewLogLogger makes one.
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && isName(s.X, "log") && s.Sel.Name != "Logger" && imports(file, "log") {
			found = append(found, name+" uses log."+s.Sel.Name+": log/slog, passed in")
		}
		return true
	})
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			found = append(found, name+": func init: nothing happens at import time")
		}
	}
	return found, nil
}

func isName(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

func imports(file *ast.File, pkg string) bool {
	return slices.ContainsFunc(file.Imports, func(s *ast.ImportSpec) bool { return s.Path.Value == strconv.Quote(pkg) })
}

func TestArrowsPointDown(t *testing.T) {
	found, files, err := violations(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d files were looked at", files)
	}
	for _, violation := range found {
		t.Error(violation)
	}
}

func TestArrowsFindWhatIsPlanted(t *testing.T) {
	own := func(pkg string) string { return `import _ "` + module + "/" + pkg + `"` }
	for _, test := range []struct{ name, file, code, want string }{
		{"authz imports upwards", "authz/a.go", own("proxy/live"), "arrows point down"},
		{"a room of authz imports upwards", "authz/hub/a.go", own("sharecode"), "arrows point down"},
		{"sharecode imports proxy", "sharecode/a.go", own("proxy"), "arrows point down"},
		{"proxy imports cmd", "proxy/a.go", own("cmd/share-proxy"), "nothing imports cmd"},
		{"authz imports a room of its own", "authz/a.go", own("authz/hub"), "standard library only"},
		{"authz imports a third party", "authz/a.go", `import _ "github.com/a/b"`, "standard library only"},
		{"authz speaks HTTP", "authz/a.go", `import _ "net/http"`, "neither speaks HTTP nor logs"},
		{"authz logs", "authz/a.go", `import _ "log/slog"`, "neither speaks HTTP nor logs"},
		{"head knows net/http", "proxy/head/a.go", `import _ "net/http"`, "pure"},
		{"target knows net/http", "proxy/target/a.go", `import _ "net/http"`, "pure"},
		{"target knows routes", "proxy/target/a.go", own("proxy/route"), "nothing of ours"},
		{"live knows routes", "proxy/live/a.go", own("proxy/route"), "authz only"},
		{"live knows the Hub's client", "proxy/live/a.go", own("authz/hub"), "authz only"},
		{"routeapi imports proxy", "proxy/routeapi/a.go", own("proxy"), "do not import proxy"},
		{"ui imports proxy", "proxy/ui/a.go", own("proxy"), "do not import proxy"},
		{"redis in another file", "authz/ledger/store.go", `import _ "github.com/redis/go-redis/v9"`, "go-redis"},
		{"redis in another test", "authz/ledger/store_test.go", `import _ "github.com/redis/go-redis/v9"`, "go-redis"},
		{"bbolt in another file", "authz/ledger/memory.go", `import _ "go.etcd.io/bbolt"`, "bbolt"},
		{"bbolt in another room", "proxy/route/file.go", `import _ "go.etcd.io/bbolt"`, "bbolt"},
		{"a third party more in the log", "authz/ledger/replica.go", `import _ "github.com/a/b"`, "no other third party"},
		{"a third party in the Hub's client", "authz/hub/client.go", `import _ "github.com/a/b"`, "no other third party"},
		{"the old log", "proxy/a_test.go", "import \"log\"\nfunc f() { log.Print() }", "log/slog"},
		{"a logger of its own", "proxy/a.go", "import \"log\"\nvar l = log.New(nil, \"\", 0)", "log/slog"},
		{"the old rand", "proxy/a.go", `import _ "math/rand"`, "math/rand/v2"},
		{"the old ioutil", "cmd/share-proxy/a.go", `import _ "io/ioutil"`, "io and os"},
		{"an init function", "proxy/a.go", `func init() {}`, "import time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := fstest.MapFS{test.file: {Data: []byte("package p\n" + test.code + "\n")}}
			found, _, err := violations(tree)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(found, func(v string) bool { return strings.Contains(v, test.want) }) {
				t.Errorf("violations = %q, want one with %q", found, test.want)
			}
		})
	}
}

func TestArrowsLeaveTheRestAlone(t *testing.T) {
	own := func(pkg string) string { return "import _ \"" + module + "/" + pkg + "\"\n" }
	tree := fstest.MapFS{
		"cmd/share-proxy/a.go":      {Data: []byte("package p\n" + own("proxy") + own("proxy/routeapi") + `import _ "github.com/redis/go-redis/v9"`)},
		"proxy/a.go":                {Data: []byte("package p\n" + own("proxy/live") + own("authz") + "import _ \"math/rand/v2\"\nimport \"log\"\nvar l *log.Logger")},
		"proxy/live/a.go":           {Data: []byte("package p\n" + own("authz"))},
		"authz/a.go":                {Data: []byte("package p\nimport _ \"time\"\ntype t struct{}\nfunc (t) init() {}")},
		"authz/a_test.go":           {Data: []byte("package p\nimport _ \"net/http\"")},
		"authz/ledger/redis.go":     {Data: []byte("package p\nimport _ \"github.com/redis/go-redis/v9\"")},
		"authz/ledger/file_open.go": {Data: []byte("package p\nimport _ \"go.etcd.io/bbolt/errors\"")},
		"deploy/e2e/go.mod":         {Data: []byte("module e2e")},
		"deploy/e2e/a.go":           {Data: []byte("package p\nimport \"log\"\nfunc f() { log.Print() }")},
		"authz/testdata/src/a.go":   {Data: []byte("package p\nimport \"log\"\nfunc f() { log.Print() }")},
		".cache/somewhere/bad/a.go": {Data: []byte("package p\nimport \"log\"\nfunc f() { log.Print() }")},
	}
	found, files, err := violations(tree)
	if err != nil || len(found) != 0 || files != 7 {
		t.Errorf("violations = %q, %d files, %v; want none, 7 files", found, files, err)
	}
}
