package transport

import (
	"errors"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// packError is what the plugin's end makes of an error of the author's code.
func packError(err error) *pb.Error {
	message := text(err.Error())
	if len(message) > maxErrorText {
		message = text(message[:maxErrorText])
	}
	return &pb.Error{Code: string(sdk.CodeOf(err)), Message: message}
}

// unpackError is what the host's end makes of an error reply. A plugin may say
// that a request was bad or its own code failed, but not that its process
// crashed or its files were altered: those are the host's to find out.
func unpackError(m *pb.Error) error {
	code := sdk.Code(m.GetCode())
	switch code {
	case sdk.CodeBadRequest, sdk.CodeBadShape, sdk.CodeNotFinite, sdk.CodeMessageTooLarge,
		sdk.CodeProtocol, sdk.CodePanic, sdk.CodeUnsupported:
	default:
		code = sdk.CodeInternal
	}
	message := m.GetMessage()
	if len(message) > maxErrorText {
		message = text(message[:maxErrorText])
	}
	return sdk.Errorf(code, "%s", message)
}

// streamError is what the host's end makes of the end of a stream.
func streamError(err error) error {
	if errors.Is(err, io.EOF) {
		return sdk.Errorf(sdk.CodeProtocol, "the plugin ended the session without being asked to")
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	switch s.Code() {
	case codes.ResourceExhausted:
		return sdk.Errorf(sdk.CodeMessageTooLarge, "a message of the plugin or to it is too large: %s", s.Message())
	case codes.Unavailable:
		return sdk.Errorf(sdk.CodePluginCrash, "the connection to the plugin broke: %s", s.Message())
	case codes.Canceled:
		return sdk.Errorf(sdk.CodeClosed, "the session was closed")
	case codes.DeadlineExceeded:
		return sdk.Errorf(sdk.CodeDeadline, "the plugin did not answer in time")
	}
	return sdk.Errorf(sdk.CodeProtocol, "the plugin ended the session: %s: %s", s.Code(), s.Message())
}
