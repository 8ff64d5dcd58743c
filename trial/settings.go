package trial

// Setting describes one setting of an algorithm or a stopper.
type Setting struct {
	Name string
	// Doc is one sentence with the unit.
	Doc string
	// Default has the setting's type: int64, float64, bool or string. A nil
	// Default of an optional number means "chosen by the algorithm", and Type
	// names the type.
	Default any
	Type    SettingType
	// Min and Max bound numbers; both included; nil none.
	Min, Max *float64
	// Choices lists the allowed strings; nil any.
	Choices []string
}

// SettingType is the type of a setting's value.
type SettingType string

// The setting types.
const (
	IntSetting    SettingType = "int"
	FloatSetting  SettingType = "float"
	BoolSetting   SettingType = "bool"
	StringSetting SettingType = "string"
)

// Settings are checked and complete: one value for each Setting of a component.
type Settings map[string]any
