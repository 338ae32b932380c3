package pb

import (
	"context"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
)

// The generated code is committed; this fails when plugin.proto changed after
// the last go generate.
func TestGenerated_fresh(t *testing.T) {
	const path = "sdk/pb/v1/plugin.proto"
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: []string{"../../.."}}}
	files, err := compiler.Compile(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	want := protoutil.ProtoFromFileDescriptor(files[0])
	if got := protodesc.ToFileDescriptorProto(File_sdk_pb_v1_plugin_proto); !proto.Equal(got, want) {
		t.Errorf("plugin.pb.go does not match %s: run go generate ./sdk/pb/v1", path)
	}
}
