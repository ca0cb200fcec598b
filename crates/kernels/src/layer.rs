//! The layers that kernels compute: shapes after slicing, and where the prefix is cut from.

/// Elements of a plane in its frame, beyond which the frame must not be much larger than the plane.
const LARGEST_FRAME: usize = 1 << 20;

/// `y[rows, outputs] = x[rows, inputs] W[inputs, outputs] + b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Linear {
    /// Rows of x.
    pub rows: usize,
    /// Inputs kept.
    pub inputs: usize,
    /// Outputs kept.
    pub outputs: usize,
    /// Elements between two rows of W.
    pub row_stride: usize,
}

/// `y[batch, outputs, ..] = x[batch, inputs, height, width] * W[outputs, inputs / groups, ..kernel] + b`, a cross-correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Samples.
    pub batch: usize,
    /// Input channels kept.
    pub inputs: usize,
    /// Output channels kept.
    pub outputs: usize,
    /// Groups of channels, each a convolution of its own.
    pub groups: usize,
    /// Height and width of x.
    pub size: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step of the kernel.
    pub stride: [usize; 2],
    /// Zeros on each side of x.
    pub padding: [usize; 2],
    /// Distance between the kernel's elements.
    pub dilation: [usize; 2],
    /// Elements between two output channels of W.
    pub row_stride: usize,
}

/// `y[batch, outputs, ..] = x[batch, inputs, length] * W[outputs, inputs / groups, kernel] + b`: as [`Conv2d`], in one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv1d {
    /// Samples.
    pub batch: usize,
    /// Input channels kept.
    pub inputs: usize,
    /// Output channels kept.
    pub outputs: usize,
    /// Groups of channels, each a convolution of its own.
    pub groups: usize,
    /// Length of x.
    pub length: usize,
    /// Length of the kernel.
    pub kernel: usize,
    /// Step of the kernel.
    pub stride: usize,
    /// Zeros on each side of x.
    pub padding: usize,
    /// Distance between the kernel's elements.
    pub dilation: usize,
    /// Elements between two output channels of W.
    pub row_stride: usize,
}

impl From<Conv1d> for Conv2d {
    /// A convolution of images of one row.
    fn from(conv: Conv1d) -> Self {
        let Conv1d { batch, inputs, outputs, groups, length, kernel, stride, padding, dilation, row_stride } = conv;
        Self {
            batch,
            inputs,
            outputs,
            groups,
            size: [1, length],
            kernel: [1, kernel],
            stride: [1, stride],
            padding: [0, padding],
            dilation: [1, dilation],
            row_stride,
        }
    }
}

/// The product, where it is no more than positions in memory can count.
fn product(factors: &[usize]) -> Option<usize> {
    let all = factors.iter().try_fold(1usize, |all, &factor| all.checked_mul(factor))?;
    u32::try_from(all).ok().map(|_| all)
}

impl Conv2d {
    /// Whether x, W and y, and x and y in their frames of zeros, can be counted by positions of 32 bits, and the frames are not out of all
    /// proportion to what they hold.
    fn is_countable(&self) -> bool {
        let outer = |a: usize| {
            let window = self.dilation[a].checked_mul(self.kernel[a])?;
            self.padding[a].checked_mul(2)?.checked_add(self.size[a])?.checked_add(window)
        };
        let (Some(height), Some(width)) = (outer(0), outer(1)) else { return false };
        let channels = self.inputs.max(self.outputs);
        let (Some(frame), Some(_)) = (product(&[height, width]), product(&[self.batch, channels, height, width]))
        else {
            return false;
        };
        let plane = (self.size[0] * self.size[1]).saturating_add(self.kernel[0].saturating_mul(self.kernel[1]));
        frame <= LARGEST_FRAME.max(plane.saturating_mul(16)) && product(&[self.outputs, self.row_stride]).is_some()
    }

    /// Height and width of y; zero where the kernel does not fit.
    pub fn output_size(&self) -> [usize; 2] {
        [0, 1].map(|a| {
            let window = self.dilation[a].saturating_mul(self.kernel[a].saturating_sub(1)).saturating_add(1);
            let room = self.padding[a].saturating_mul(2).saturating_add(self.size[a]).checked_sub(window);
            room.map_or(0, |rest| rest / self.stride[a].max(1) + 1)
        })
    }

    /// Elements of a sample of x, and of y.
    pub(crate) fn sample_sizes(&self) -> [usize; 2] {
        let [height, width] = self.output_size();
        [self.inputs * self.size[0] * self.size[1], self.outputs * height * width]
    }

    /// Input channels of a group.
    pub fn group_inputs(&self) -> usize {
        self.inputs / self.groups.max(1)
    }

    /// Output channels of a group.
    pub fn group_outputs(&self) -> usize {
        self.outputs / self.groups.max(1)
    }

    /// Elements of W for one output channel.
    pub fn row(&self) -> usize {
        self.group_inputs().saturating_mul(self.kernel[0]).saturating_mul(self.kernel[1])
    }

    /// Whether the numbers make a convolution at all.
    pub fn is_sound(&self) -> bool {
        let positive = |pair: [usize; 2]| pair[0] > 0 && pair[1] > 0;
        let divides = |n: usize| self.groups > 0 && n.is_multiple_of(self.groups);
        let numbers = positive(self.kernel) && positive(self.stride) && positive(self.dilation);
        numbers && divides(self.inputs) && divides(self.outputs) && self.row_stride >= self.row()
    }
}

/// A layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// A linear layer.
    Linear(Linear),
    /// A convolution.
    Conv2d(Conv2d),
}

impl Layer {
    /// Elements that x, W (at least), b and y hold; their gradients hold as many.
    pub fn lengths(&self) -> [usize; 4] {
        match *self {
            Self::Linear(Linear { rows, inputs, outputs, row_stride }) => {
                [rows * inputs, last(inputs, row_stride, outputs), outputs, rows * outputs]
            }
            Self::Conv2d(conv) => {
                let [height, width] = conv.output_size();
                let x = conv.batch * conv.inputs * conv.size[0] * conv.size[1];
                [
                    x,
                    last(conv.outputs, conv.row_stride, conv.row()),
                    conv.outputs,
                    conv.batch * conv.outputs * height * width,
                ]
            }
        }
    }

    /// Whether the numbers of elements, and all positions within them, are below 2^32. Nothing else may be asked of a layer where they are not.
    pub fn is_countable(&self) -> bool {
        match *self {
            Self::Linear(Linear { rows, inputs, outputs, row_stride }) => {
                let operands = [product(&[rows, inputs]), product(&[inputs, row_stride]), product(&[rows, outputs])];
                operands.iter().all(Option::is_some)
            }
            Self::Conv2d(conv) => conv.is_countable(),
        }
    }

    /// Useful floating-point operations of one pass, two for a product and its sum; biases are not counted.
    pub fn flops(&self) -> f64 {
        match *self {
            Self::Linear(layer) => 2.0 * layer.rows as f64 * layer.inputs as f64 * layer.outputs as f64,
            Self::Conv2d(conv) => 2.0 * self.lengths()[3] as f64 * conv.row() as f64,
        }
    }

    /// Bytes of all operands of one pass, each once, with this part of the weights: what must move at least where no cache holds them.
    pub fn bytes(&self, density: f64) -> f64 {
        let [x, w, b, y] = self.lengths().map(|length| length as f64);
        size_of::<f32>() as f64 * (x + density * w + b + y)
    }
}

/// Elements up to the end of the last of `rows` rows.
fn last(rows: usize, stride: usize, length: usize) -> usize {
    if rows == 0 { 0 } else { ((rows - 1) * stride).saturating_add(length) }
}
