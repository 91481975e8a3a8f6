package program

import "runtime/debug"

// Flags say how the go command compiles a program with all that it imports. The zero
// value is the usual way. Programs that share packages share their entries of the build
// cache only if their flags are equal.
type Flags struct {
	// Compiler and Linker are the values of -gcflags and -ldflags.
	Compiler, Linker string
	// NoCgo leaves C out.
	NoCgo bool
}

// FlagsOf returns the flags with which a program was built, the usual ones for a program
// whose packages are compiled in the usual way.
func FlagsOf(info *debug.BuildInfo) Flags {
	var f Flags
	for _, setting := range info.Settings {
		switch setting.Key {
		case "-gcflags":
			f.Compiler = setting.Value
		case "-ldflags":
			f.Linker = setting.Value
		case "CGO_ENABLED":
			f.NoCgo = setting.Value == "0"
		}
	}
	if f.Compiler == "" {
		return Flags{}
	}
	return f
}

// Args are the arguments of go build.
func (f Flags) Args() []string {
	var args []string
	if f.Compiler != "" {
		args = append(args, "-gcflags", f.Compiler)
	}
	if f.Linker != "" {
		args = append(args, "-ldflags", f.Linker)
	}
	return args
}

// Environ is what the environment of go build has besides.
func (f Flags) Environ() []string {
	if f.NoCgo {
		return []string{"CGO_ENABLED=0"}
	}
	return nil
}
